"""Stages of latency budgets: asked for where there are any, judged by route, told to whom it concerns."""

from datetime import datetime, timedelta

import pytest

from tests.support.fakes import T0
from tests.unit.domain.fleet.builders import route
from tokenfleet.domain.fleet.keys import ROUTE, ObjectKey
from tokenfleet.domain.slo.objectives.latency_stages import LEAST, Stage, Took
from tokenfleet.ports import PortError
from tokenfleet.reconcilers.latency_stages import LatencyStages
from tokenfleet.reconcilers.renewed import EVERY, OLDEST
from tokenfleet.reconcilers.store import Store

BUDGET = {"total": "500ms", "stages": [{"name": "retrieval", "budget": "80ms"}]}
INF = float("inf")


class Bench:
    def __init__(self, *routes: dict) -> None:
        self.asked: list[datetime] = []
        self.woken: list[ObjectKey] = []
        self.failing = False
        self.took: Took = {
            ("ns", "chat", "retrieval"): ((0.05, 50.0), (0.1, 100.0), (INF, 100.0)),
            ("ns", "chat", "total"): ((0.5, LEAST - 1), (INF, LEAST - 1)),
            ("ns", "mail", "retrieval"): ((0.05, 0.0), (INF, 100.0)),
        }
        store = Store(lambda _: None)
        for body in routes:
            store.put(body)
        self.stages = LatencyStages(store=store, ask=self.ask, wake=self.woken.append)

    async def ask(self, at: datetime) -> Took:
        self.asked.append(at)
        if self.failing:
            msg = "down"
            raise PortError(msg)
        return self.took


async def test_each_stage_has_its_budget_its_median_and_its_tail() -> None:
    bench = Bench(route(latencyBudget=BUDGET), route("mail"))
    await bench.stages.look(T0)
    retrieval, total = bench.stages.of("ns", "chat")

    assert (retrieval.p50, retrieval.p99) == (pytest.approx(0.05), pytest.approx(0.099))
    assert retrieval.budget == timedelta(milliseconds=80)
    assert total == Stage(name="total", budget=timedelta(milliseconds=500)), "too few to say"
    assert bench.stages.of("ns", "mail") == ()
    assert bench.woken == [ObjectKey(ROUTE, "ns", "chat")]


async def test_nobody_is_asked_where_no_route_has_a_budget() -> None:
    bench = Bench(route())
    await bench.stages.look(T0)

    assert bench.asked == []


async def test_a_young_route_is_asked_for_every_minute() -> None:
    young = route(latencyBudget=BUDGET)
    young["metadata"]["creationTimestamp"] = T0.strftime("%Y-%m-%dT%H:%M:%SZ")
    bench = Bench(young)
    for tick in range(4 * 20):
        await bench.stages.look(T0 + tick * timedelta(seconds=15))

    minutes = [(at - T0) // timedelta(minutes=1) for at in bench.asked]
    assert minutes == [*range(10), 14, 19]


async def test_an_old_answer_is_forgotten() -> None:
    bench = Bench(route(latencyBudget=BUDGET))
    await bench.stages.look(T0)
    bench.failing = True
    with pytest.raises(PortError):
        await bench.stages.look(T0 + EVERY)
    kept = bench.stages.of("ns", "chat")[0].p50
    with pytest.raises(PortError):
        await bench.stages.look(T0 + OLDEST + EVERY)

    assert kept is not None
    assert bench.stages.of("ns", "chat")[0].p50 is None
