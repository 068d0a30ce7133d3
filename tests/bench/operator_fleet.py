"""A large fleet over a fake API server: the whole operator, without Kopf and without a network."""

import asyncio
import itertools
import resource
import time
from collections.abc import Coroutine, Iterator
from typing import Any

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import FakeClock
from tests.support.options import OPTIONS
from tests.unit.domain.fleet import builders
from tokenfleet.cli.operate import collect_rarely
from tokenfleet.cli.wiring import Operator, Outside, assemble
from tokenfleet.domain.fleet.keys import VISITED, key_of
from tokenfleet.ports import Acknowledgement, Body
from tokenfleet.reconcilers.resources import WATCHED
from tokenfleet.reconcilers.slo_tick import Measure

KINDS = {resource.kind for resource in WATCHED}
_uids = itertools.count()


class Agents:
    """Every replica runs the newest revision already."""

    async def acknowledgement(self, address: str) -> Acknowledgement:
        return Acknowledgement(pod=address, applied_revision=10**9, version="0.1.0")

    async def configuration(self, _: str, _router: object) -> None:
        return None


class TimedCluster(FakeCluster):
    """Keeps its own CPU seconds, so that they can be taken away from the operator's."""

    spent = 0.0

    def put(self, body: Body) -> dict[str, Any]:
        begun = time.process_time()
        try:
            return super().put(body)
        finally:
            self.spent += time.process_time() - begun

    async def apply(self, body: Body, *, manager: str) -> Body:
        return await self._timed(super().apply(body, manager=manager))

    async def apply_status(self, body: Body, *, manager: str) -> Body:
        return await self._timed(super().apply_status(body, manager=manager))

    async def replace(self, body: Body) -> Body:
        return await self._timed(super().replace(body))

    async def _timed(self, call: Coroutine[Any, Any, Body]) -> Body:
        begun = time.process_time()
        try:
            return await call
        finally:
            self.spent += time.process_time() - begun


class Fleet:
    """The operator and what it sees."""

    def __init__(self, measure: Measure | None = None, clock: FakeClock | None = None) -> None:
        collect_rarely()  # as the real process does
        self.cluster, self.clock = TimedCluster(), clock or FakeClock()
        outside = Outside(cluster=self.cluster, agents=Agents(), clock=self.clock, measure=measure)
        self.operator: Operator = assemble(OPTIONS, outside)
        self.core = self.operator.core
        self.visits = 0
        self.cluster.watchers.append(self._deliver)

    def _deliver(self, type_: str, body: dict[str, Any]) -> None:
        if body["kind"] not in KINDS:
            return
        begun = time.process_time()
        if type_ == "DELETED":
            self.core.store.remove(key_of(body))
        else:
            self.core.store.put(body)
        self.cluster.spent -= time.process_time() - begun  # the operator's part of a write

    async def lead(self) -> None:
        """For ever: a figure must not depend on when the lease is renewed."""
        assert await self.core.elector._try()
        self.core.elector._renewed_at = float("inf")

    async def settle(self) -> float:
        """Visit until nothing waits; return the CPU seconds that it took."""
        counted = self.core.telemetry.visited

        def count(*arguments: Any) -> None:
            self.visits += 1
            counted(*arguments)

        self.core.telemetry.visited = count  # type: ignore[method-assign]
        begun = time.process_time()
        workers = [asyncio.create_task(self.operator.shell.visits.work()) for _ in range(16)]
        while len(self.core.queue) or self.core.queue.busy:
            await asyncio.sleep(0)
        spent = time.process_time() - begun
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        self.core.telemetry.visited = counted  # type: ignore[method-assign]
        return spent

    def wake_all(self) -> int:
        keys = [key for kind in VISITED for key in self.core.store.keys(kind)]
        for key in keys:
            self.core.queue.add(key)
        return len(keys)


def objects(
    *, namespaces: int, routes: int, slos_per_route: int, replicas: int = 2
) -> Iterator[dict[str, Any]]:
    """A router per namespace, a large and a small pool per route."""
    for number in range(namespaces):
        namespace = f"team-{number}"
        router = placed(builders.router(), namespace)
        yield router
        yield from builders.router_pods(router, replicas)
        for route in range(routes):
            large, small = f"large-{route}", f"small-{route}"
            for pool in (large, small):
                capacity = {"requestsPerSecond": "50"}
                yield placed(builders.pool(pool, capacity=capacity), namespace)
                yield placed(builders.service(pool), namespace)
                (slices,) = builders.slices(pool, 2)
                yield placed(slices, namespace)
            rule = {
                "name": "slow",
                "backendRefs": [{"name": large}],
                "fallbackRefs": [{"name": small}],
            }
            yield placed(builders.route(f"chat-{route}", rules=[rule]), namespace)
            for slo in range(slos_per_route):
                yield placed(objective(route, slo), namespace)


def objective(route: int, number: int) -> dict[str, Any]:
    threshold = ("500ms", "1s", "2500ms")[(route + number) % 3]
    return builders.slo(
        f"ttft-{route}-{number}",
        targetRef={"kind": "ModelRoute", "name": f"chat-{route}", "sectionName": "slow"},
        objective={"type": "Latency", "latency": {"threshold": threshold, "target": "0.95"}},
        onBreach={"type": "ShiftTraffic" if number == 0 else "Alert"},
    )


def placed(body: dict[str, Any], namespace: str) -> dict[str, Any]:
    uid = f"uid-{next(_uids)}"
    return {**body, "metadata": {**body["metadata"], "namespace": namespace, "uid": uid}}


def resident() -> float:
    """MiB of this process at its largest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
