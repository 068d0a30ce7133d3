"""Bring a configuration to Envoy, or leave everything as it was.

    validate  the binary reads the whole candidate; endpoints and shares are only numbers in places
              that have been validated, and pass without: a decision must not wait for a process
    publish   clusters that are new, then routes, then clusters without those that are gone: at no
              moment does a route name a cluster that is not there
    confirm   Envoy reports the versions that the files carry

What Envoy refuses leaves the last good files in place, and is said until the next revision. What it
was not seen to accept it may run all the same: until it is, every publication writes all files.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tokenfleet.adapters.envoy.bootstrap import Files, bootstrap
from tokenfleet.adapters.envoy.clusters import Endpoint
from tokenfleet.adapters.envoy.outside import NO_KEYS, Keys, key_file, key_name
from tokenfleet.adapters.envoy.render import Resources, discovery_response, render, standalone
from tokenfleet.adapters.envoy.wire import Json, canonical
from tokenfleet.agent.envoy import Admin, AdminError, EnvoyGoneError, validate
from tokenfleet.agent.files import (
    BOOTSTRAP,
    CANDIDATE,
    CLUSTERS,
    LISTENERS,
    ROUTES,
    Folder,
    LastGood,
)
from tokenfleet.agent.nothing import nothing
from tokenfleet.agent.settings import Settings
from tokenfleet.domain.routing.codec import CodecError, Document, decode
from tokenfleet.domain.routing.ir import RouterConfig

logger = logging.getLogger(__name__)

CONFIRM_SECONDS: Final = 30.0
"""How long Envoy may take to accept a file: 30 ms as a rule, 0.5 s a thousand rules; on a node
without free CPU, seconds."""
CONFIRM_STEP: Final = 0.02
WARM_SECONDS: Final = 5.0
"""How long routes wait for the first look-up of a name; Envoy gives it up after 4 s."""

Endpoints = Mapping[str, tuple[Endpoint, ...]]


class PublishError(Exception):
    """The configuration is not in force; the last good one is."""


class RejectedError(PublishError):
    """Envoy has read the files and refused them."""


class UnconfirmedError(PublishError):
    """Envoy has not said what it made of the files: it may run them yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What the files hold."""

    document: Document | None
    """None: no configuration has been published; the router answers 404 to everything."""
    endpoints: Endpoints
    keys: Keys
    resources: Resources


class Publisher:
    """Owns the files; one publication at a time."""

    def __init__(self, settings: Settings, admin: Admin) -> None:
        """Recall the last good configuration, or begin with an empty one; nothing is written."""
        self._settings = settings
        self._admin = admin
        self._folder = Folder(settings.folder)
        self._generation = 0
        self.data: Mapping[str, str] | None = None
        """The data of `<router>-config` that is in force."""
        self.published = self._recalled()
        self._doubtful: Mapping[str, Json] | None = None
        """Clusters by name that Envoy may have, after files that it was not seen to accept; None:
        the files are what is published."""

    async def publish(
        self, data: Mapping[str, str], endpoints: Endpoints, keys: Keys = NO_KEYS
    ) -> None:
        """Bring a configuration and its endpoints into force.

        Args:
            data: the data of `<router>-config`.
            endpoints: pool name -> replicas that may be used.
            keys: those that are in files.

        Raises:
            PublishError: refused, or not confirmed; the message is for people.
        """
        document = _decoded(data)
        before = self.published
        resources = self._render(document.config, endpoints, keys)
        if resources != before.resources or self._doubtful is not None:
            if before.document is None or _shape(document.config, keys) != _shape(
                before.document.config, before.keys
            ):
                await self._validated(document.config, endpoints, keys)
            self._generation += 1
            try:
                await self._replace(before.resources, resources)
            except RejectedError:
                # Envoy has kept what it runs; an Envoy that restarts must find the same.
                self._generation += 1
                self._write_all(before.resources)
                self._doubtful = None
                raise
        self.data = data
        self.published = Published(
            document=document, endpoints=endpoints, keys=keys, resources=resources
        )
        self._folder.remember(LastGood(data=data, endpoints=endpoints, generation=self._generation))

    @property
    def envoy_can_start(self) -> bool:
        """Tell whether all of Envoy's files are there, from this process or the one before."""
        return all(map(self._folder.has, (BOOTSTRAP, LISTENERS, CLUSTERS, ROUTES)))

    def begin(self) -> None:
        """Write the bootstrap, and what has been recalled.

        Raises:
            OSError: files are as they were before, each as a whole.
        """
        settings = self._settings
        files = Files(
            lds=str(self._folder.file(LISTENERS)),
            cds=str(self._folder.file(CLUSTERS)),
            rds=str(self._folder.file(ROUTES)),
        )
        boot = bootstrap(files, settings.limits, admin_port=settings.ports.admin)
        self._folder.write(BOOTSTRAP, canonical(boot))
        self._generation += 1
        self._write_all(self.published.resources)

    def _recalled(self) -> Published:
        settings = self._settings
        last = self._folder.recall()
        document: Document | None = None
        endpoints: Endpoints = {}
        if last is not None:
            try:
                document = decode(last.data.get("config", ""))
            except CodecError as error:
                logger.warning("the last good configuration cannot be read: %s", error)
            else:
                self.data, endpoints, self._generation = last.data, last.endpoints, last.generation
        config = document.config if document else nothing(settings.namespace, settings.router)
        keys = self._kept(config)
        resources = self._render(config, endpoints, keys)
        return Published(document=document, endpoints=endpoints, keys=keys, resources=resources)

    def _kept(self, config: RouterConfig) -> Keys:
        """Return the keys whose files are there from before."""
        names = (key_name(pool.credential) for pool in config.pools if pool.credential is not None)
        known = frozenset(name for name in names if self._folder.has(key_file(name)))
        return Keys(folder=str(self._folder.path), known=known)

    def _render(self, config: RouterConfig, endpoints: Endpoints, keys: Keys) -> Resources:
        rds_path, ports = str(self._folder.file(ROUTES)), self._settings.ports
        return render(config, endpoints, rds_path=rds_path, ports=ports, keys=keys)

    async def _validated(self, config: RouterConfig, endpoints: Endpoints, keys: Keys) -> None:
        settings = self._settings
        candidate = standalone(
            config, endpoints, ports=settings.ports, limits=settings.limits, keys=keys
        )
        self._folder.write(CANDIDATE, canonical(candidate))
        refusal = await validate(settings.envoy, self._folder.file(CANDIDATE))
        if refusal:
            msg = f"envoy refuses the configuration: {refusal}"
            raise PublishError(msg)

    async def _replace(self, before: Resources, after: Resources) -> None:
        running = await self._running()
        # Against what Envoy may have by now, nothing can be left out.
        anew = self._doubtful is not None
        new = {cluster["name"]: cluster for cluster in after.clusters}
        held = {cluster["name"]: cluster for cluster in before.clusters}
        held |= self._doubtful or {}
        leaving = tuple(cluster for name, cluster in held.items() if name not in new)
        self._doubtful = held | new
        if anew or after.clusters != before.clusters:
            self._write_clusters((*after.clusters, *leaving))
            await self._confirm(running, clusters=True)
        if anew or after.routes != before.routes:
            self._write(ROUTES, "routes", after.routes)
            await self._confirm(running, routes=True)
        if anew or after.listeners != before.listeners:
            self._write(LISTENERS, "listeners", after.listeners)
        if leaving:
            self._write_clusters(after.clusters)
        self._doubtful = None

    def _write_all(self, resources: Resources) -> None:
        self._write_clusters(resources.clusters)
        self._write(ROUTES, "routes", resources.routes)
        self._write(LISTENERS, "listeners", resources.listeners)

    def _write_clusters(self, clusters: tuple[Json, ...]) -> None:
        self._write(CLUSTERS, "clusters", clusters)

    def _write(self, name: str, kind: str, resources: tuple[Json, ...]) -> None:
        self._folder.write(name, discovery_response(kind, resources, str(self._generation)))

    async def _running(self) -> int | None:
        """Return how many files Envoy has refused so far; None while it is not up.

        Raises:
            PublishError: it is up, and does not answer.
        """
        end = time.monotonic() + CONFIRM_SECONDS
        while time.monotonic() < end:
            try:
                return (await self._admin.running()).rejected
            except EnvoyGoneError:
                return None
            except AdminError as error:
                logger.info("envoy does not answer: %s", error)
            await asyncio.sleep(CONFIRM_STEP)
        msg = f"envoy has not said within {CONFIRM_SECONDS:.0f} s what it runs"
        raise PublishError(msg)

    async def _confirm(
        self, refused: int | None, *, clusters: bool = False, routes: bool = False
    ) -> None:
        wanted = str(self._generation)
        begun = time.monotonic()
        while (waited := time.monotonic() - begun) < CONFIRM_SECONDS:
            try:
                running = await self._admin.running()
            except EnvoyGoneError:
                if refused is None:
                    return  # Envoy reads the files when it starts
            except AdminError as error:
                logger.info("envoy does not answer: %s", error)
            else:
                in_force = (not clusters or running.clusters == wanted) and (
                    not routes or running.routes == wanted
                )
                warm = not clusters or not running.warming or waited >= WARM_SECONDS
                if in_force and warm:
                    return
                # One that was not up counts since its start, and has read nothing but these.
                if running.rejected > (refused or 0):
                    msg = f"envoy rejected version {wanted} of its files"
                    raise RejectedError(msg)
            await asyncio.sleep(CONFIRM_STEP)
        msg = f"envoy has not accepted version {wanted} of its files within {CONFIRM_SECONDS:.0f} s"
        raise UnconfirmedError(msg)


def _shape(config: RouterConfig, keys: Keys) -> tuple[RouterConfig, Keys]:
    """Return a configuration without its shares, and which keys it has."""
    routes = tuple(
        replace(route, rules=tuple(replace(rule, ranges=()) for rule in route.rules))
        for route in config.routes
    )
    return replace(config, routes=routes), keys


def _decoded(data: Mapping[str, str]) -> Document:
    try:
        return decode(data.get("config", ""))
    except CodecError as error:
        msg = f"the configuration cannot be read: {error}"
        raise PublishError(msg) from error
