"""The agent as a whole: its watches feed one publisher, and a server says what is in force."""

import asyncio
import errno
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final

import httpx

from tokenfleet.agent import endpoints as slices
from tokenfleet.agent.callers import Callers
from tokenfleet.agent.envoy import Admin
from tokenfleet.agent.files import Folder
from tokenfleet.agent.keys import Pouch
from tokenfleet.agent.module import check_module
from tokenfleet.agent.neighbourhood import Neighbourhood
from tokenfleet.agent.publisher import Publisher, PublishError, UnconfirmedError
from tokenfleet.agent.server import serve
from tokenfleet.agent.settings import Settings
from tokenfleet.agent.watch import api_client, states
from tokenfleet.domain.fleet.proof import audience
from tokenfleet.domain.routing.codec import CodecError, decode
from tokenfleet.domain.routing.ir import Pool
from tokenfleet.domain.routing.naming import config_name, place_of

logger = logging.getLogger(__name__)

SETTLE_SECONDS: Final = 0.02
"""Changes that come in a burst - a rollout's endpoints, mostly - are published together."""
RETRY_SECONDS: Final = 5.0
"""When to try again what failed and has not changed."""
MAKE_ROOM: Final = (
    "make room on the node's disk: the router's files are kept there, and it goes on by itself"
)


class Agent:
    """Keeps one Envoy in step with its router's configuration."""

    def __init__(self, settings: Settings) -> None:
        """Recall what was in force; nothing is written before it runs."""
        self.settings = settings
        self.admin = Admin(settings.ports.admin)
        self.publisher = Publisher(settings, self.admin)
        self.error = ""
        """Why the newest configuration is not in force; empty when it is."""
        self.api_reached = False
        self.credentials: Mapping[str, str] = {}
        """Pool -> why there is no key for it."""
        self._data: Mapping[str, str] | None = None
        self._changed = asyncio.Event()
        self._refused: Collection[str] = ()

    @property
    def namespaces_unseen(self) -> int:
        """Return how many namespaces with pools of this router the API server does not show."""
        return len(self._refused)

    @property
    def applied_revision(self) -> int:
        """Return the revision that Envoy has accepted; 0 means none."""
        document = self.publisher.published.document
        return document.revision if document else 0

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            UnfitModuleError: Envoy must not be started with the module that is there.
        """
        written = await self._written()
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(api_client(self.settings.api))
            meant_for = audience(self.settings.namespace, self.settings.router)
            self.callers = Callers(
                client, self.settings.api, self.settings.operator, audience=meant_for
            )
            stack.push_async_callback(self.admin.close)
            await serve(self, stack)
            while not written:
                await asyncio.sleep(RETRY_SECONDS)
                written = await self._written()
            async with asyncio.TaskGroup() as tasks:
                self._neighbourhood = Neighbourhood(client, tasks, changed=self._changed.set)
                self._refused = self._neighbourhood.refused
                self._neighbourhood.watch(self.settings.namespace, self._contact)
                self._pouch = Pouch(
                    client,
                    tasks,
                    Folder(self.settings.folder),
                    home=self.settings.namespace,
                    changed=self._changed.set,
                )
                tasks.create_task(self._watch_config(client))
                tasks.create_task(self._publish_changes())

    async def _written(self) -> bool:
        """Write Envoy's files, so that it can start, and try its module.

        Returns:
            False where the folder takes no files: `error` says why.

        Raises:
            UnfitModuleError: Envoy must not be started with the module that is there.
        """
        try:
            self.publisher.begin()
            await check_module(self.settings.envoy, self.settings.folder)
        except OSError as error:
            self._fail("envoy's files cannot be written", error)
            return False
        self.error = ""
        return True

    def _fail(self, what: str, error: Exception) -> None:
        words = str(error)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            words += f"; {MAKE_ROOM}"
        if words != self.error:
            logger.error("%s: %s", what, words)
        self.error = words

    async def _watch_config(self, client: httpx.AsyncClient) -> None:
        name = config_name(self.settings.router)
        path = f"/api/v1/namespaces/{self.settings.namespace}/configmaps"
        async for state in states(
            client, path, field_selector=f"metadata.name={name}", on_contact=self._contact
        ):
            # A configuration that disappears is a loss, not a wish: what is in force stays.
            if name in state:
                self._data = state[name].get("data") or {}
                self._changed.set()

    def _contact(self, reached: bool) -> None:  # noqa: FBT001  # one fact, told by the watch
        self.api_reached = reached

    async def _publish_changes(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()
            await self._publish()
            if self.error:
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._changed.set)

    async def _publish(self) -> None:
        if not self._neighbourhood.knows(self.settings.namespace):
            return  # without a first list of endpoints every pool would look empty
        data = self._data if self._data is not None else self.publisher.data
        if data is None:
            return
        try:
            await self._bring_into_force(data)
        except (PublishError, OSError) as error:
            self._fail("not published", error)
        else:
            self.error = ""

    async def _bring_into_force(self, data: Mapping[str, str]) -> None:
        try:
            document = decode(data.get("config", ""))
        except CodecError as error:
            await self._follow_endpoints()
            msg = f"the configuration cannot be read: {error}"
            raise PublishError(msg) from error
        before, pools = self.applied_revision, document.config.pools
        await self._follow(pools)
        keys, troubles = self._pouch.written(pools)
        try:
            await self.publisher.publish(data, self._endpoints(pools), keys)
        except UnconfirmedError:
            raise  # it is tried again, and not taken back in between
        except PublishError:
            await self._follow_endpoints()
            raise
        self._pouch.tidy(keys)
        self._tell(troubles)
        if document.revision != before:
            logger.info("revision %d is in force", document.revision)

    async def _follow_endpoints(self) -> None:
        """Keep the last good configuration on the endpoints of now."""
        published = self.publisher.published
        if published.document is not None and self.publisher.data is not None:
            pools = published.document.config.pools
            keys, troubles = self._pouch.written(pools)
            await self.publisher.publish(self.publisher.data, self._endpoints(pools), keys)
            self._tell(troubles)

    def _tell(self, troubles: Mapping[str, str]) -> None:
        for pool in sorted(troubles.keys() - self.credentials.keys()):
            logger.warning("pool %s is asked nothing: %s", pool, troubles[pool])
        self.credentials = troubles

    async def _follow(self, pools: Sequence[Pool]) -> None:
        """Look at the namespaces of these pools, and of those that are in force."""
        published = self.publisher.published.document
        running = published.config.pools if published is not None else ()
        home = self.settings.namespace
        places = {place_of(pool.service, at=home).namespace for pool in (*pools, *running)}
        await self._neighbourhood.follow(places, home=home)
        await self._pouch.follow((*pools, *running))

    def _endpoints(self, pools: Sequence[Pool]) -> slices.Endpoints:
        known = self._neighbourhood.slices()
        return slices.endpoints(pools, known, at=self.settings.namespace)
