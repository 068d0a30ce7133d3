"""Metrics: the names that people know, and series that live as long as their objects."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.fakes import T0
from tests.unit.domain.fleet.builders import pool, route, slo
from tests.unit.domain.fleet.test_slo_status import SEEN
from tokenfleet.domain.fleet.conditions import condition
from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey
from tokenfleet.domain.fleet.views import RouterView, RouteView
from tokenfleet.domain.slo.engine import RuleView
from tokenfleet.domain.slo.objectives.latency_stages import Took
from tokenfleet.domain.slo.objectives.path_share import Taken
from tokenfleet.domain.slo.observation.data_state import DataState, Kind
from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.domain.slo.reporting.shift_costs import ShiftCost
from tokenfleet.domain.slo.reporting.views import SpendView
from tokenfleet.handlers.stage_metrics import StageCollector
from tokenfleet.handlers.telemetry import FleetCollector, PrometheusTelemetry
from tokenfleet.reconcilers.latency_stages import LatencyStages
from tokenfleet.reconcilers.path_shares import PathShares
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.views import Views

FLEET = (
    "tokenfleet_route_share",
    "tokenfleet_route_saturated",
    "tokenfleet_slo_burn_rate",
    "tokenfleet_slo_alert_factor",
    "tokenfleet_slo_state",
    "tokenfleet_slo_data_state",
    "tokenfleet_pool_replicas",
    "tokenfleet_pool_ready_replicas",
    "tokenfleet_pool_demand",
)


class Bench:
    def __init__(self) -> None:
        self.store, self.views = Store(lambda _: None), Views(lambda _: None)
        self.telemetry = PrometheusTelemetry()
        self.rates: dict[str, dict[timedelta, float]] = {}
        self.taken: tuple[Taken, ...] = ()
        self.paths = PathShares(store=self.store, ask=self.ask, wake=lambda _: None)
        collector = FleetCollector(
            self.store,
            self.views,
            self.paths,
            leads=lambda: True,
            burn_rates=lambda: self.rates,
        )
        self.telemetry.registry.register(collector)

    async def ask(self, at: datetime, *, split: bool) -> tuple[Taken, ...]:
        del at, split
        return self.taken

    def value(self, name: str, **labels: str) -> Any:
        return self.telemetry.registry.get_sample_value(name, labels)


def saturated() -> RouteView:
    rule = RuleView(
        shares={},
        reason="AsWritten",
        message="",
        since=None,
        fallback_in_use=False,
        saturated=True,
    )
    programmed = condition("Programmed", status=True, reason="Programmed")
    return RouteView(programmed=programmed, rules={"slow": rule})


def test_visits_and_the_queue_have_the_names_of_controller_runtime() -> None:
    bench = Bench()
    bench.telemetry.visited("modelroute", "success", 0.01)

    labels = {"controller": "modelroute", "result": "success"}
    assert bench.value("controller_runtime_reconcile_total", **labels) == 1
    count = "controller_runtime_reconcile_time_seconds_count"
    assert bench.value(count, controller="modelroute") == 1
    assert bench.value("leader_election_master_status") == 1


def test_the_fleet_is_told_and_forgotten_with_its_objects() -> None:
    bench = Bench()
    shares = [{"name": "large", "share": 400}, {"name": "small", "share": 600}]
    bench.store.put(route(status={"rules": [{"name": "slow", "shares": shares}]}))
    bench.store.put(slo())
    bench.store.put({**pool(), "status": {"replicas": 3, "readyReplicas": 2}})
    seen = replace(SEEN, state="Shifted", burn_rate=4.2)
    view = RouterView(
        demand={"ns/large": 7.5},
        slos={"ns/ttft": seen, "ns/deleted": seen},
        routes={"ns/chat": saturated(), "ns/deleted": saturated()},
    )
    bench.rates = {"ns/ttft": {timedelta(hours=1): 3.0}, "ns/deleted": {timedelta(hours=1): 9.0}}
    bench.views.publish(ObjectKey(ROUTER, "ns", "default"), view)

    where = {"namespace": "ns", "route": "chat", "rule": "slow"}
    assert bench.value("tokenfleet_route_share", **where, pool="small") == 0.6
    ours = {"namespace": "ns", "slo": "ttft"}
    assert bench.value("tokenfleet_slo_burn_rate", **ours, window="control") == 4.2
    blind = replace(seen, data=DataState(Kind.UNKNOWN), total=0, burn_rate=0.0)
    bench.views.publish(ObjectKey(ROUTER, "ns", "default"), replace(view, slos={"ns/ttft": blind}))
    assert bench.value("tokenfleet_slo_burn_rate", **ours, window="control") is None
    bench.views.publish(ObjectKey(ROUTER, "ns", "default"), view)
    assert bench.value("tokenfleet_slo_state", **ours, state="Shifted") == 1
    assert bench.value("tokenfleet_slo_state", **ours, state="Normal") == 0
    assert bench.value("tokenfleet_slo_data_state", **ours, state="OK") == 1
    assert bench.value("tokenfleet_pool_ready_replicas", namespace="ns", pool="large") == 2
    assert bench.value("tokenfleet_pool_demand", namespace="ns", pool="large") == 7.5

    assert bench.value("tokenfleet_slo_burn_rate", **ours, window="1h") == 3.0
    factor = bench.value("tokenfleet_slo_alert_factor", **ours, window="1h")
    assert factor == pytest.approx(5.0)
    rule = {"namespace": "ns", "route": "chat", "rule": "slow"}
    assert bench.value("tokenfleet_route_saturated", **rule) == 1
    assert b'"deleted"' not in bench.telemetry.text()
    for kind, name in (("ModelRoute", "chat"), ("TokenSLO", "ttft"), ("ServingPool", "large")):
        bench.store.remove(ObjectKey(kind, "ns", name))
    bench.views.publish(ObjectKey(ROUTER, "ns", "default"), None)

    left = [name for name in FLEET if f"\n{name}{{".encode() in bench.telemetry.text()]
    assert left == []


async def test_stages_are_told_with_their_budgets() -> None:
    async def ask(at: datetime) -> Took:
        del at
        return {("ns", "chat", "model"): ((0.1, 100.0), (float("inf"), 100.0))}

    bench = Bench()
    budget = {"total": "500ms", "stages": [{"name": "model", "budget": "200ms"}]}
    bench.store.put(route(latencyBudget=budget))
    stages = LatencyStages(store=bench.store, ask=ask, wake=lambda _: None)
    bench.telemetry.registry.register(StageCollector(stages))
    await stages.look(T0)

    model = {"namespace": "ns", "route": "chat", "stage": "model"}
    took = "tokenfleet_route_stage_seconds"
    assert bench.value("tokenfleet_route_stage_budget_seconds", **model) == 0.2
    assert bench.value(took, **model, quantile="0.5") == pytest.approx(0.05)
    assert bench.value(took, **model, quantile="0.99") == pytest.approx(0.099)
    assert bench.value(took, **{**model, "stage": "total"}, quantile="0.99") is None


async def test_shares_of_paths_are_told_with_what_is_promised() -> None:
    bench = Bench()
    promise = {"type": "FastPathShare", "fastPathShare": {"min": "0.80"}}
    bench.store.put(slo("fast", objective=promise, onBreach={"type": "Alert"}))
    bench.taken = (
        Taken(RuleKey("ns", "chat", "slow"), "", "", 70),
        Taken(RuleKey("ns", "chat", "rest"), "", "", 30),
    )
    await bench.paths.look(T0)

    ours = {"namespace": "ns", "slo": "fast"}
    rule = {"namespace": "ns", "route": "chat", "rule": "slow"}
    assert bench.value("tokenfleet_route_measured_share", **rule) == 0.7
    assert bench.value("tokenfleet_slo_fast_path_share", **ours) == 0.7
    assert bench.value("tokenfleet_slo_fast_path_share_min", **ours) == 0.8
    assert bench.value("tokenfleet_slo_data_state", **ours, state="OK") == 1
    assert bench.value("tokenfleet_slo_burn_rate", **ours, window="control") is None


def test_money_is_live() -> None:
    bench = Bench()
    ends = datetime(2026, 1, 2, tzinfo=UTC)
    view = replace(SEEN, spend=SpendView(spent=12.5, forecast=40.0, ends=ends))
    quiet = replace(SEEN, spend=SpendView(spent=3.0, forecast=None, ends=ends))
    views = {"ns/money": view, "ns/quiet": quiet, "ns/latency": SEEN}
    bench.views.publish(ObjectKey(ROUTER, "ns", "default"), RouterView(slos=views))

    def said(name: str, slo: str) -> Any:
        return bench.value(name, namespace="ns", slo=slo)

    assert said("tokenfleet_slo_spend", "money") == 12.5
    assert said("tokenfleet_slo_spend_forecast", "money") == 40
    assert said("tokenfleet_slo_spend", "quiet") == 3
    assert said("tokenfleet_slo_spend_forecast", "quiet") is None
    assert said("tokenfleet_slo_spend", "latency") is None


def test_what_shifts_cost_is_told_where_a_limit_is_set() -> None:
    bench = Bench()
    cost = ShiftCost(per_hour=31.5, limit=40.0, room="WithinLimit", message="")
    views = {"ns/bounded": replace(SEEN, shift_cost=cost), "ns/free": SEEN}
    bench.views.publish(ObjectKey(ROUTER, "ns", "default"), RouterView(slos=views))

    name, ours = "tokenfleet_slo_shift_cost_per_hour", {"namespace": "ns", "slo": "bounded"}
    assert bench.value(name, **ours) == 31.5
    assert bench.value(f"{name}_max", **ours) == 40
    assert bench.value(name, namespace="ns", slo="free") is None


def test_the_text_is_what_prometheus_reads() -> None:
    bench = Bench()
    bench.telemetry.decided("ns", "chat", "T1")

    series = b'tokenfleet_decisions_total{namespace="ns",route="chat",transition="T1"} 1.0'
    assert series in bench.telemetry.text()
