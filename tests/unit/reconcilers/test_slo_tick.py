"""The tick: one batch for all objectives, and a failure is a measurement too."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.fakes import T0, CountingTelemetry, FakeClock
from tests.unit.domain.fleet.builders import managed_pool, route, router, router_pods, slo
from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.domain.slo.observation.measurement import EngineLoad, Measurement, RouterReplica
from tokenfleet.ports import PortError
from tokenfleet.reconcilers.replicas import Replicas
from tokenfleet.reconcilers.slo_tick import SloTick
from tokenfleet.reconcilers.store import Store

ROUTER = ObjectKey("ModelRouter", "ns", "default")


class Bench:
    def __init__(self, answer: Any = None) -> None:
        self.asked: list[tuple[Sequence[ObjectiveSpec], Sequence[RouterReplica]]] = []
        self.woken: list[ObjectKey] = []
        self.store = Store(lambda _: None)
        self.store.put(router())
        self.tick = SloTick(
            store=self.store,
            replicas=Replicas(store=self.store, clock=FakeClock()),
            measure=self.measure if answer is not None else None,
            clock=FakeClock(),
            every=timedelta(seconds=15),
            scrape_interval=timedelta(seconds=15),
            telemetry=CountingTelemetry(),
            wake=self.woken.append,
        )
        self.answer = answer
        self.split: bool | None = None
        self.loads: dict[tuple[str, str], EngineLoad] = {}

    async def measure(
        self,
        objectives: Sequence[ObjectiveSpec],
        replicas: Sequence[RouterReplica],
        at: datetime,
        *,
        split: bool,
    ) -> Measurement:
        self.asked.append((objectives, replicas))
        self.split = split
        if isinstance(self.answer, Exception):
            raise self.answer
        return Measurement(at=at, engine_loads=self.loads)


async def test_one_batch_for_all_objectives_and_the_ready_router_replicas() -> None:
    bench = Bench(answer=True)
    for name in ("a", "b"):
        bench.store.put(slo(name))
    deployment, replica_set, up, down = router_pods(router(), 2)
    down["status"]["conditions"][0]["status"] = "False"
    stranger = {**up, "metadata": {**up["metadata"], "name": "stranger", "ownerReferences": []}}
    for body in (router(), deployment, replica_set, up, down, stranger):
        bench.store.put(body)

    await bench.tick.tick()

    ((objectives, replicas),) = bench.asked
    assert sorted(objective.name for objective in objectives) == ["a", "b"]
    assert [replica.pod for replica in replicas] == ["default-router-0"]
    assert bench.tick.newest is not None
    assert bench.tick.newest.at == T0
    assert bench.woken == [ROUTER]


@pytest.mark.parametrize(("name", "split"), [("slow", False), ("slow[type=chat]", True)])
async def test_slices_are_measured_by_their_labels_whatever_objectives_select(name, split) -> None:
    bench = Bench(answer=True)
    bench.store.put(slo())
    bench.store.put(route(status={"rules": [{"name": name}]}))

    await bench.tick.tick()

    assert bench.split is split


async def test_a_source_that_fails_is_a_measurement_that_says_so() -> None:
    bench = Bench(answer=PortError("connection refused"))
    bench.store.put(slo())

    await bench.tick.tick()

    assert bench.tick.newest is not None
    assert bench.tick.newest.failure == ("SourceError", "connection refused")
    assert bench.woken == [ROUTER]


async def test_without_a_source_routers_are_still_woken() -> None:
    """Losing all endpoints is judged by Kubernetes' facts, not by Prometheus."""
    bench = Bench()
    bench.store.put(slo())

    await bench.tick.tick()

    assert bench.tick.newest is not None
    assert bench.tick.newest.failure is not None
    assert "--prometheus-url" in bench.tick.newest.failure.message
    assert bench.woken == [ROUTER]


async def test_without_objectives_nobody_is_asked() -> None:
    bench = Bench(answer=True)

    await bench.tick.tick()

    assert bench.asked == []


async def test_speculation_is_measured_without_objectives() -> None:
    bench, key = Bench(answer=True), ObjectKey("ServingPool", "ns", "large")
    drafting = managed_pool()
    drafting["spec"]["managed"]["speculative"] = {"type": "Ngram", "tokens": 3}
    bench.store.put(drafting)
    bench.loads = {("ns", "large"): EngineLoad(acceptance=0.6)}

    await bench.tick.tick()

    assert [list(objectives) for objectives, _ in bench.asked] == [[]]
    assert bench.tick.acceptances == {("ns", "large"): 0.6}
    assert key in bench.woken


async def test_speculation_asks_nobody_where_there_is_no_prometheus() -> None:
    bench = Bench()
    drafting = managed_pool()
    drafting["spec"]["managed"]["speculative"] = {"type": "Ngram", "tokens": 3}
    bench.store.put(drafting)

    await bench.tick.tick()

    assert bench.tick.newest is None


async def test_an_objective_that_cannot_be_read_does_not_hide_the_others() -> None:
    bench = Bench(answer=True)
    bench.store.put(slo("good"))
    bench.store.put(slo("bad", objective={"type": "Unheard"}))

    await bench.tick.tick()

    assert [objective.name for objective in bench.asked[0][0]] == ["good"]


async def test_it_ticks_until_it_is_cancelled() -> None:
    bench = Bench(answer=True)
    bench.store.put(slo())
    bench.tick.every = timedelta(milliseconds=1)
    task = asyncio.create_task(bench.tick.run())
    async with asyncio.timeout(60):
        while len(bench.asked) <= 2:
            await asyncio.sleep(0.01)
    task.cancel()


async def test_a_pool_is_looked_at_when_its_speculation_is_worth_something_else() -> None:
    """Nothing is forgotten while nothing can be measured."""
    bench, pool = Bench(answer=True), ObjectKey("ServingPool", "ns", "large")
    bench.store.put(slo("a"))
    woken = []
    for acceptance in (0.6, 0.61, None, 0.3):
        bench.answer = PortError("down") if acceptance is None else True
        bench.loads = {("ns", "large"): EngineLoad(acceptance=acceptance)}
        bench.woken.clear()
        await bench.tick.tick()
        woken.append(pool in bench.woken)

    assert woken == [True, False, False, True]
