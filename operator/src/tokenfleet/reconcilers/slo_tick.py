"""The one loop that is driven by time: measure all objectives at once, then let routers judge.

A tick is one batch of queries, however many objectives there are. Its result is a frozen value that
every visit until the next tick reads. A tick that fails is a measurement too: it says why nothing
can be said, and the control loop holds. Kubernetes' own facts (no endpoint left) are judged on
every tick even where there is no Prometheus at all.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from tokenfleet.domain.fleet.keys import POOL, ROUTE, ROUTER, SLO, ObjectKey
from tokenfleet.domain.fleet.replicas import replica
from tokenfleet.domain.fleet.steering import promise_in
from tokenfleet.domain.pools.acceptance import Place, acceptances, moved
from tokenfleet.domain.routing.rule_slices import slice_of_name
from tokenfleet.domain.slo.objectives.spec import Promise
from tokenfleet.domain.slo.observation.measurement import Failure, Measurement, RouterReplica
from tokenfleet.ports import Clock, PortError
from tokenfleet.reconcilers.replicas import Replicas
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.telemetry import Telemetry


class Measure(Protocol):
    """Runs the batch of queries; see `adapters.prometheus.measure`."""

    def __call__(
        self,
        objectives: Sequence[Promise],
        replicas: Sequence[RouterReplica],
        at: datetime,
        *,
        split: bool,
    ) -> Awaitable[Measurement]:
        """Ask what these objectives need at one instant; `split`: by labels in any case."""
        ...


LONGEST: Final = 30.0
"""Seconds for one batch. Each query has a shorter limit of its own; a batch that is given up while
its queries still run only makes the next one slower, so this is for a source that hangs."""

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class SloTick:
    """Measures for ever."""

    store: Store
    replicas: Replicas
    measure: Measure | None
    """None: there is no Prometheus to ask."""
    clock: Clock
    every: timedelta
    scrape_interval: timedelta
    telemetry: Telemetry
    wake: Callable[[ObjectKey], None]
    newest: Measurement | None = field(default=None)
    """What the last tick measured."""
    acceptances: Mapping[Place, float] = field(default_factory=dict)
    """What speculation is worth, as the last tick said that could be measured."""

    async def run(self) -> None:
        """Tick until cancelled; a slow tick delays the next one and never overlaps it."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await self.tick()
            await asyncio.sleep(max(0.0, started + self.every.total_seconds() - loop.time()))

    async def tick(self) -> None:
        """Measure once and wake every router."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        objectives: list[Promise] = list(self.store.read_all(SLO, promise_in))
        if objectives or self.newest is not None or self._speculates():
            before = self.newest.failure if self.newest is not None else None
            self.newest = await self._measured(objectives)
            failure = self.newest.failure
            if failure is not None and (before is None or before.reason != failure.reason):
                log.warning("objectives cannot be measured: %s: %s", *failure)
            elif failure is None and before is not None:
                log.info("objectives can be measured again")
            self.telemetry.ticked(loop.time() - started, ok=failure is None)
            if failure is None:
                self._accepted(self.newest)
        for key in sorted(self.store.keys(ROUTER)):
            self.wake(key)

    def _speculates(self) -> bool:
        """Tell whether there is something to measure that no objective asks for."""
        return self.measure is not None and any(
            "speculative" in (pool.get("spec", {}).get("managed") or {})
            for pool in self.store.all(POOL)
        )

    def _accepted(self, measured: Measurement) -> None:
        """Keep what speculation is worth, and wake the pools whose status says something else."""
        before, self.acceptances = self.acceptances, acceptances(measured.engine_loads)
        for namespace, name in moved(before, self.acceptances):
            self.wake(ObjectKey(POOL, namespace, name))

    def _replicas(self) -> list[RouterReplica]:
        """Return every ready router pod."""
        routers = (self.store.get(key) for key in sorted(self.store.keys(ROUTER)))
        pods = (pod for router in routers if router for pod in self.replicas.of(router))
        return [
            RouterReplica(namespace=pod["metadata"]["namespace"], pod=seen.pod, since=seen.since)
            for pod in pods
            if (seen := replica(pod)).since is not None
        ]

    async def _measured(self, objectives: Sequence[Promise]) -> Measurement:
        now = self.clock.now()
        if self.measure is None:
            message = "the operator runs without --prometheus-url"
            return self._failed(now, Failure("SourceError", message))
        try:
            async with asyncio.timeout(LONGEST):
                return await self.measure(objectives, self._replicas(), now, split=self._sliced())
        except (PortError, TimeoutError) as error:
            message = str(error) or "Prometheus did not answer in time"
            return self._failed(now, Failure("SourceError", message))

    def _sliced(self) -> bool:
        """Tell whether a rule has slices: they outlive the objectives that asked for them."""
        return any(
            not slice_of_name(rule["name"]).whole
            for route in self.store.all(ROUTE)
            for rule in route.get("status", {}).get("rules", ())
        )

    def _failed(self, now: datetime, failure: Failure) -> Measurement:
        return Measurement(at=now, scrape_interval=self.scrape_interval, failure=failure)
