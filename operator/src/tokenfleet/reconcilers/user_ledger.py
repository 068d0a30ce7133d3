"""The loop that keeps the books of users: asks routers who used most, and writes it down.

Every look asks all ready replicas of all routers, prices what they say and keeps it in ConfigMap
`<router>-users`, which belongs to the router. It carries no label that the operator watches by:
nothing is decided by it, and it must not come back with every write. What is promised:

- a user is never said to have used more than it did, and by how much it can be less is said too;
- what a replica counted after the last look before its end is lost, `EVERY` at most;
- an operator that restarts goes on where the last one wrote.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from tokenfleet.api.conventions import API_VERSION
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.facts import pool_facts
from tokenfleet.domain.fleet.keys import POOL, ROUTER, ObjectKey, key_of
from tokenfleet.domain.fleet.operators import operator_of
from tokenfleet.domain.fleet.ownership import controls
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.replicas import agent_address
from tokenfleet.domain.fleet.sidecars import is_carried
from tokenfleet.domain.routing.naming import local_name
from tokenfleet.domain.slo.observation.measurement import PoolFacts
from tokenfleet.domain.spending.prices import Place
from tokenfleet.domain.spending.summary import Summary
from tokenfleet.domain.spending.user_books import (
    Report,
    by_route,
    extended,
    hashed,
    kept,
    open_hours,
    places,
    renamed,
)
from tokenfleet.domain.spending.user_history import Routes, Window, read, write
from tokenfleet.ports import Body, Clock, Cluster, PortError, RouterFleet
from tokenfleet.reconcilers.replicas import Replicas
from tokenfleet.reconcilers.resources import CONFIG_MAPS
from tokenfleet.reconcilers.store import Store

EVERY: Final = timedelta(minutes=2)
"""Between two looks: how old the newest numbers are at most."""
AT_ONCE: Final = 16
"""Replicas that are asked at the same time."""

OPTION_KEY: Final = "report"
"""Key of the ConfigMap that says whether its names are hashed."""

log = logging.getLogger(__name__)


def users_name(router: str) -> str:
    """Return the name of the ConfigMap with a router's users."""
    return f"{router}-users"


@dataclass(slots=True)
class _Book:
    """What is known of one router."""

    option: str
    """What its ModelRouter wants told: Names, Hashes, or None."""
    reports: dict[str, Report] = field(default_factory=dict)
    """Pod uid -> its newest report."""
    stored: Body | None = None
    """The ConfigMap as it was last read or written."""
    before: Mapping[Window, Routes] = field(default_factory=dict)
    """What an earlier process wrote."""
    windows: Mapping[Window, Routes] = field(default_factory=dict)
    spent: tuple[Mapping[Place, Summary], ...] = ()
    """The hour before and the hour that runs, by label set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLedger:
    """Keeps the books for ever."""

    store: Store
    replicas: Replicas
    agents: RouterFleet
    cluster: Cluster
    clock: Clock
    may_write: Callable[[], bool]
    me: str
    """This operator: routers with another one's mark are left alone."""
    _books: dict[ObjectKey, _Book] = field(default_factory=dict)
    _failing: dict[ObjectKey, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY.total_seconds())

    async def look(self) -> None:
        """Look at every router once."""
        routers = {
            key_of(body): body
            for body in self.store.all(ROUTER)
            if operator_of(body) in {"", self.me}
        }
        for gone in self._books.keys() - routers.keys():
            del self._books[gone]
        for key, router in sorted(routers.items()):
            said = await self._looked(key, router)
            if said and said != self._failing.get(key):
                log.warning("users of %s cannot be written down: %s", key, said)
            self._failing[key] = said

    def spent(self, router: ObjectKey) -> tuple[Mapping[Place, Summary], ...]:
        """Return what users of a router used in the last two hours, by label set; newest last."""
        book = self._books.get(router)
        return book.spent if book is not None else ()

    async def _looked(self, key: ObjectKey, router: Body) -> str:
        """Look at one router; return why it failed, empty where it did not."""
        option = _option(router)
        try:
            if option == "None":
                await self._forgotten(key, router)
            elif option is not None:
                await self._kept(key, router, option)
        except PortError as error:
            self._books.pop(key, None)  # read again what is stored
            return str(error)
        return ""

    async def _kept(self, key: ObjectKey, router: Body, option: str) -> None:
        book = self._books.get(key)
        if book is None or book.option != option:
            book = self._books[key] = await self._opened(key, router, option)
        now = self.clock.now()
        await self._ask(key, router, book, now)
        hours, facts = open_hours(now), self._facts(key.namespace)
        book.spent = tuple(places(book.reports.values(), hour, facts, now) for hour in hours)
        found = dict(zip(hours, map(by_route, book.spent), strict=True))
        told = extended(book.before, {hour: routes for hour, routes in found.items() if routes})
        book.windows = {**book.windows, **{hour: told[hour] for hour in hours if hour in told}}
        await self._write(router, book, {OPTION_KEY: book.option, **write(book.windows, now)})

    async def _opened(self, key: ObjectKey, router: Body, option: str) -> _Book:
        """Read what an earlier process wrote, under the names that are wanted."""
        stored = await self._stored(key)
        if stored is not None and not controls(router, stored):
            msg = f"ConfigMap {users_name(key.name)} is not the router's; rename or delete it"
            raise PortError(msg)
        data = stored.get("data", {}) if stored is not None else {}
        before: Mapping[Window, Routes] = read(data)
        if option == "Hashes" and data.get(OPTION_KEY) == "Names":
            before = renamed(before, partial(hashed, key.namespace, key.name))
        return _Book(option=option, stored=stored, before=before, windows=before)

    async def _ask(self, key: ObjectKey, router: Body, book: _Book, now: datetime) -> None:
        gate = asyncio.Semaphore(AT_ONCE)
        hashes = book.option == "Hashes"
        rename = partial(hashed, key.namespace, key.name) if hashes else _same

        async def ask(uid: str, address: str) -> None:
            async with gate:
                try:
                    report = await self.agents.users(address, key)
                except PortError as error:
                    log.debug("users: %s", error)  # what it said before stays
                    return
            book.reports[uid] = kept(report, now, rename)

        # Applications' pods are not shown the operator's token; see record 0083.
        mine = () if is_carried(router) else self.replicas.of(router)
        pods = ((pod["metadata"]["uid"], agent_address(pod)) for pod in mine)
        await asyncio.gather(*(ask(uid, address) for uid, address in pods if address is not None))
        hours = open_hours(now)
        book.reports = {
            uid: report
            for uid, report in book.reports.items()
            if any(hour in hours for _, hour in report)
        }

    async def _write(self, router: Body, book: _Book, data: Mapping[str, str]) -> None:
        before = book.stored.get("data", {}) if book.stored is not None else {}
        if data == before or not self.may_write():
            return
        metadata = router["metadata"]
        version = book.stored["metadata"]["resourceVersion"] if book.stored is not None else None
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": users_name(metadata["name"]),
                "namespace": metadata["namespace"],
                "ownerReferences": [_owner(router)],
                **({"resourceVersion": version} if version is not None else {}),
            },
            "data": dict(data),
        }
        book.stored = await self.cluster.replace(body)

    async def _forgotten(self, key: ObjectKey, router: Body) -> None:
        """Delete what was written: who switches it off does not want it kept."""
        if key in self._books and self._books[key].option == "None":
            return
        stored = await self._stored(key)
        if stored is not None and controls(router, stored) and self.may_write():
            await self.cluster.delete(
                CONFIG_MAPS, key.namespace, users_name(key.name), uid=stored["metadata"]["uid"]
            )
        self._books[key] = _Book(option="None")

    async def _stored(self, key: ObjectKey) -> Body | None:
        return await self.cluster.get(CONFIG_MAPS, key.namespace, users_name(key.name))

    def _facts(self, namespace: str) -> dict[str, PoolFacts]:
        return dict(facts_of(self.store.all(POOL), at=namespace))


def facts_of(pools: Iterable[Body], *, at: str) -> Iterable[tuple[str, PoolFacts]]:
    """Yield prices and ready replicas of pools that can be read, as a router at `at` calls them."""
    for body in pools:
        pool = parsed(ServingPool, body)
        if isinstance(pool, ServingPool):
            name = local_name(pool.metadata.namespace, pool.metadata.name, at=at)
            yield name, pool_facts(pool, pool.status.ready_replicas)


def _option(router: Body) -> str | None:
    """Return what is to be told of users; None where the router cannot be read."""
    found = parsed(ModelRouter, router)
    return found.spec.attribution.user.report if isinstance(found, ModelRouter) else None


def _same(name: str) -> str:
    return name


def _owner(router: Body) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": router["kind"],
        "name": router["metadata"]["name"],
        "uid": router["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
