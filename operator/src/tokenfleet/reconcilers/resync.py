"""Anti-entropy: LIST every kind now and then, and heal what the watch has missed.

The first round fills the store and opens the start barrier: a plan over a half-filled store would
delete what it does not see yet. Later rounds compare. An object deleted while the watch was down
never shows up as an event when the watch comes back with a fresh list; here it does.

A difference counts only if it outlives `GRACE`, because a watch may lag by some milliseconds, and
only after one object was read again, because a LIST may be older than the store.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Final

from tokenfleet.domain.fleet.keys import VISITED, ObjectKey, key_of
from tokenfleet.ports import Body, Cluster, NotFoundError, PortError, Resource
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.telemetry import Telemetry

PERIOD: Final = 300.0
"""Seconds between rounds. A missed deletion is healed within this time; a round over 10,000 objects
costs the API server one paged LIST per kind."""

GRACE: Final = 10.0
"""Seconds that a watch may lag before it counts as having missed something."""

FIRST_RETRY: Final = 2.0
"""Seconds between attempts of the first round, while the API or the CRDs are not there yet."""

REVISIT_EVERY: Final = 120
"""Rounds (10 h, controller-runtime's default) after which every object is visited anyway."""

UNHEALTHY_ROUNDS: Final = 2
"""Divergent rounds in a row after which the watch counts as broken."""

log = logging.getLogger(__name__)


class Resync:
    """Keeps the store true even when watches are not."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        watched: Mapping[Resource, str],
        *,
        telemetry: Telemetry,
        wake: Callable[[ObjectKey], None],
    ) -> None:
        """Compare `watched` kinds (with their label selectors) between cluster and store."""
        self._cluster, self._store, self._watched = cluster, store, watched
        self._telemetry, self._wake = telemetry, wake
        self.synced = asyncio.Event()
        """Set once the store covers every LIST."""
        self.finished_at = 0.0
        """Event loop time of the last finished round."""
        self.divergent_rounds = 0
        """Rounds in a row that found something the watch had missed."""

    @property
    def healthy(self) -> bool:
        """Tell whether rounds finish and watches deliver."""
        if not self.synced.is_set():
            return True
        age = asyncio.get_running_loop().time() - self.finished_at
        return age < 3 * PERIOD and self.divergent_rounds < UNHEALTHY_ROUNDS

    async def run(self) -> None:
        """Fill the store, then compare for ever."""
        await self._fill()
        rounds = 0
        while True:
            await asyncio.sleep(PERIOD * random.uniform(0.8, 1.2))  # noqa: S311  # jitter
            rounds += 1
            try:
                await self.compare(grace=GRACE)
            except PortError as error:
                log.warning("resync not finished: %s", error)
            if rounds % REVISIT_EVERY == 0:
                self._revisit()

    async def _fill(self) -> None:
        while True:
            try:
                for resource, selector in self._watched.items():
                    for body in await self._cluster.list(resource, label_selector=selector):
                        self._store.put(body)
            except NotFoundError as error:
                log.warning("waiting for the custom resource definitions: %s", error)
            except PortError as error:
                log.warning("waiting for the API server: %s", error)
            else:
                break
            await asyncio.sleep(FIRST_RETRY)
        self.finished_at = asyncio.get_running_loop().time()
        self.synced.set()
        log.info("synced: %s", ", ".join(f"{self._store.count(k)} {k}" for k in VISITED))

    async def compare(self, *, grace: float) -> int:
        """Run one round; return how many objects the watch had missed."""
        diverged = 0
        for resource, selector in self._watched.items():
            known = self._versions(resource.kind)
            listed = {
                key_of(body): body
                for body in await self._cluster.list(resource, label_selector=selector)
            }
            suspects = self._suspects(known, listed)
            if suspects and grace:
                await asyncio.sleep(grace)
                suspects &= self._suspects(known, listed)
            healed = [key for key in sorted(suspects) if await self._heal(resource, key)]
            if healed:
                log.warning("the watch of %s missed %d objects", resource.plural, len(healed))
                self._telemetry.diverged(resource.kind, len(healed))
            diverged += len(healed)
        self.divergent_rounds = self.divergent_rounds + 1 if diverged else 0
        self.finished_at = asyncio.get_running_loop().time()
        return diverged

    def _versions(self, kind: str) -> dict[ObjectKey, str]:
        return {key_of(body): body["metadata"]["resourceVersion"] for body in self._store.all(kind)}

    def _suspects(
        self, known: Mapping[ObjectKey, str], listed: Mapping[ObjectKey, Body]
    ) -> set[ObjectKey]:
        """Return keys whose copy has not moved since before the LIST, yet differs from it."""
        suspects = set()
        for key in {*known, *listed}:
            stored = self._store.get(key)
            version = stored["metadata"]["resourceVersion"] if stored is not None else None
            in_list = listed.get(key)
            wanted = in_list["metadata"]["resourceVersion"] if in_list is not None else None
            if version == known.get(key) and version != wanted:
                suspects.add(key)
        return suspects

    async def _heal(self, resource: Resource, key: ObjectKey) -> bool:
        newest = await self._cluster.get(resource, key.namespace, key.name)
        if newest is None:
            return self._store.remove(key)
        return self._store.put({"kind": resource.kind, **newest})

    def _revisit(self) -> None:
        for kind in VISITED:
            for key in self._store.keys(kind):
                self._wake(key)
