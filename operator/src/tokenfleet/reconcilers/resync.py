"""Anti-entropy: LIST every kind now and then, and heal what the watch has missed.

The first round fills the store and opens the start barrier: a plan over a half-filled store would
delete what it does not see yet. Later rounds compare. An object deleted while the watch was down
never shows up as an event when the watch comes back with a fresh list; here it does.

A difference counts only if it outlives `GRACE`, because a watch may lag by some milliseconds, and
only after one object was read again, because a LIST may be older than the store. What is read again
wins whatever its version: after a restore of etcd, the numbers in memory are the larger ones.

Namespaces are listed one by one and fail alone. One that may not be listed (403) or is gone (404)
is blind: it is named, asked again, and holds nobody up. A kind of others that may not be listed is
left out.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from tokenfleet.domain.fleet.keys import VISITED, ObjectKey, key_of
from tokenfleet.ports import Body, Cluster, NotFoundError, PortError, RefusedError, Resource
from tokenfleet.reconcilers.resources import OPTIONAL
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.telemetry import Telemetry

PERIOD: Final = 300.0
"""Seconds between rounds. A missed deletion is healed within this time; a round over 10,000 objects
costs the API server one paged LIST per kind, of metadata only."""

GRACE: Final = 10.0
"""Seconds that a watch may lag before it counts as having missed something."""

FIRST_RETRY: Final = 2.0
"""Seconds between attempts of the first round, while the API or the CRDs are not there yet."""

BLIND_RETRY: Final = 30.0
"""Seconds until a namespace that may not be listed is asked again."""

REVISIT_EVERY: Final = 120
"""Rounds (10 h, controller-runtime's default) after which every object is visited anyway."""

UNHEALTHY_ROUNDS: Final = 2
"""Divergent rounds in a row after which the watch counts as broken."""

EVERYWHERE: Final = ""
"""Stands for all namespaces."""

log = logging.getLogger(__name__)


class _Copy(NamedTuple):
    """Which copy of an object is meant."""

    uid: str
    version: str


class Resync:
    """Keeps the store true even when watches are not."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        served: Callable[[], Mapping[Resource, str]],
        *,
        telemetry: Telemetry,
        wake: Callable[[ObjectKey], None],
        namespaces: Sequence[str] = (),
    ) -> None:
        """Compare the kinds that `served` returns between cluster and store.

        Args:
            cluster: what is true.
            store: what is known.
            served: returns the kinds that there are now, with their label selectors.
            telemetry: told of what the watches missed.
            wake: told whom to visit.
            namespaces: to be listed one by one; none: the whole cluster.
        """
        self._cluster, self._store, self._served = cluster, store, served
        self._telemetry, self._wake = telemetry, wake
        self._places = tuple(namespaces) or (EVERYWHERE,)
        self._filled: set[str] = set()
        self.blind: dict[str, str] = {}
        """Namespace -> why nothing can be seen of it; the empty name stands for all of them."""
        self.synced = asyncio.Event()
        """Set once the store covers every LIST that is allowed."""
        self.finished_at = 0.0
        """Event loop time of the last finished round."""
        self.divergent_rounds = 0
        """Rounds in a row that found something the watch had missed."""

    @property
    def healthy(self) -> bool:
        """Tell whether rounds finish and watches deliver."""
        if not self.synced.is_set():
            return True
        return self.age < 3 * PERIOD and self.divergent_rounds < UNHEALTHY_ROUNDS

    @property
    def age(self) -> float:
        """Return the seconds since a round was last finished; 0 before the first one."""
        if not self.synced.is_set():
            return 0.0
        return asyncio.get_running_loop().time() - self.finished_at

    def sees(self, namespace: str) -> bool:
        """Tell whether a namespace is known whole; plans over a part of it would take things away.

        One that was known and may not be listed now is still known by what its watches told.
        """
        places = {namespace, EVERYWHERE} & self.blind.keys()
        return not places or bool(places & self._filled)

    async def run(self) -> None:
        """Fill the store, then compare for ever."""
        while not await self.fill():  # noqa: ASYNC110  # nobody sets an Event
            await asyncio.sleep(FIRST_RETRY)
        self.finished_at = asyncio.get_running_loop().time()
        self.synced.set()
        log.info("synced: %s", ", ".join(f"{self._store.count(k)} {k}" for k in VISITED))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._compare_for_ever())
            tasks.create_task(self._look_again())

    async def _compare_for_ever(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(PERIOD * random.uniform(0.8, 1.2))  # noqa: S311  # jitter
            rounds += 1
            try:
                await self.compare(grace=GRACE)
            except PortError as error:
                log.warning("resync not finished: %s", error)
            if rounds % REVISIT_EVERY == 0:
                self._revisit(EVERYWHERE)

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(BLIND_RETRY)
            for place in sorted(self.blind):
                if await self._fill(place):
                    self._revisit(place)

    async def fill(self) -> bool:
        """List every namespace that is not known yet; return False where the API is not there."""
        for place in self._places:
            if (
                place not in self._filled
                and not await self._fill(place)
                and place not in self.blind
            ):
                return False
        return True

    async def _fill(self, place: str) -> bool:
        """Put everything in one namespace into the store; return whether that succeeded."""
        try:
            for resource, selector in self._served().items():
                with _bearing(resource):
                    async for page in self._pages(resource, selector, place):
                        for body in page:
                            self._store.put(body)
        except (RefusedError, NotFoundError) as error:
            self._lose(place, error)
            return False
        except PortError as error:
            log.warning("waiting for the API server: %s", error)
            return False
        for service in self._store.named(place):
            self._store.now_whole(service)
        self._filled.add(place)
        if self.blind.pop(place, None) is not None:
            log.info("%s can be seen again", _words(place))
        return True

    def _lose(self, place: str, error: PortError) -> None:
        if self.blind.get(place) != str(error):
            log.warning("%s cannot be seen: %s", _words(place), error)
        self.blind[place] = str(error)

    async def compare(self, *, grace: float) -> int:
        """Run one round; return how many objects the watch had missed."""
        diverged = 0
        for place in self._places:
            if place in self.blind:
                continue
            try:
                diverged += await self._compare(place, grace)
            except (RefusedError, NotFoundError) as error:
                self._lose(place, error)
        self.divergent_rounds = self.divergent_rounds + 1 if diverged else 0
        self.finished_at = asyncio.get_running_loop().time()
        return diverged

    async def _compare(self, place: str, grace: float) -> int:
        diverged = 0
        for resource, selector in self._served().items():
            with _bearing(resource):
                diverged += await self._compare_kind(resource, selector, place, grace)
        return diverged

    async def _compare_kind(
        self, resource: Resource, selector: str, place: str, grace: float
    ) -> int:
        known = self._copies(resource.kind, place)
        listed = await self._listed(resource, selector, place)
        suspects = self._suspects(known, listed)
        if suspects and grace:
            await asyncio.sleep(grace)
            suspects &= self._suspects(known, listed)
        healed = [key for key in sorted(suspects) if await self._heal(resource, key)]
        if healed:
            log.warning("the watch of %s missed %d objects", resource.plural, len(healed))
            self._telemetry.diverged(resource.kind, len(healed))
        return len(healed)

    async def _pages(
        self, resource: Resource, selector: str, place: str, *, metadata_only: bool = False
    ) -> AsyncIterator[Sequence[Body]]:
        """Yield the pages of one LIST; none where an optional kind has gone with its definition."""
        try:
            async for page in self._cluster.pages(
                resource, namespace=place, label_selector=selector, metadata_only=metadata_only
            ):
                yield page
        except NotFoundError:
            if resource not in OPTIONAL:
                raise

    async def _listed(
        self, resource: Resource, selector: str, place: str
    ) -> dict[ObjectKey, _Copy]:
        """Return which copies exist; without bodies, which the store has already."""
        listed: dict[ObjectKey, _Copy] = {}
        async for page in self._pages(resource, selector, place, metadata_only=True):
            listed |= {key_of(body): _copy(body) for body in page if self._store.wants(body)}
        return listed

    def _copies(self, kind: str, place: str) -> dict[ObjectKey, _Copy]:
        return {
            key_of(body): _copy(body)
            for body in self._store.all(kind)
            if place in {EVERYWHERE, body["metadata"].get("namespace")}
        }

    def _suspects(
        self, known: Mapping[ObjectKey, _Copy], listed: Mapping[ObjectKey, _Copy]
    ) -> set[ObjectKey]:
        """Return keys whose copy has not moved since before the LIST, yet differs from it."""
        return {
            key
            for key in {*known, *listed}
            if self._now(key) == known.get(key) and known.get(key) != listed.get(key)
        }

    def _now(self, key: ObjectKey) -> _Copy | None:
        stored = self._store.get(key)
        return _copy(stored) if stored is not None else None

    async def _heal(self, resource: Resource, key: ObjectKey) -> bool:
        before = self._now(key)
        newest = await self._cluster.get(resource, key.namespace, key.name)
        if self._now(key) != before:
            return False  # A write or an event came in between, and is as new.
        if newest is None:
            return self._store.remove(key)
        return self._store.put({**newest, "kind": resource.kind}, authoritative=True)

    def _revisit(self, place: str) -> None:
        for kind in VISITED:
            for key in self._store.keys(kind):
                if place in {EVERYWHERE, key.namespace}:
                    self._wake(key)


@contextmanager
def _bearing(resource: Resource) -> Iterator[None]:
    """Go on without a kind of others that may not be listed."""
    try:
        yield
    except RefusedError as error:
        if resource not in OPTIONAL:
            raise
        log.warning("%s is left out: %s", resource.kind, error)


def _copy(body: Body) -> _Copy:
    metadata = body["metadata"]
    return _Copy(metadata.get("uid", ""), metadata["resourceVersion"])


def _words(place: str) -> str:
    return f"namespace {place}" if place else "the cluster"
