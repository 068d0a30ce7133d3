"""What users declare is told as metrics, and goes with its object."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.unit.domain.fleet.builders import pool, slo
from tokenfleet.domain.fleet.keys import POOL, SLO, ObjectKey
from tokenfleet.handlers.declared_metrics import DeclaredCollector
from tokenfleet.reconcilers.store import Store

COST = {"type": "CostPerRequest", "costPerRequest": {"max": "0.01"}}
CACHE = {"type": "CacheHitRate", "cacheHitRate": {"min": "0.7"}}
ERRORS = {"type": "ErrorRate", "errorRate": {"max": "0.02"}}
TOKENS = {"type": "PerMillionTokens", "perMillionTokens": {"prompt": "2", "completion": "8"}}
HOURLY = {"type": "PerReplicaHour", "perReplicaHour": "2.5"}


class Bench:
    def __init__(self, *bodies: dict[str, Any]) -> None:
        self.store = Store(lambda _: None)
        self.registry = CollectorRegistry()
        self.registry.register(DeclaredCollector(self.store))
        for body in bodies:
            self.store.put(body)

    def value(self, series: str, /, **labels: str) -> Any:
        return self.registry.get_sample_value(series, {"namespace": "ns", **labels})

    def samples(self) -> list[Any]:
        return [sample for family in self.registry.collect() for sample in family.samples]


@pytest.mark.parametrize(
    ("spec", "objective", "on_breach", "budget"),
    [
        pytest.param({}, "Latency", "ShiftTraffic", 0.05, id="first tokens"),
        pytest.param({"objective": ERRORS}, "ErrorRate", "ShiftTraffic", 0.02, id="errors"),
        pytest.param({"objective": COST, "onBreach": {"type": "Alert"}}, "CostPerRequest", "Alert", 0.01, id="cost"),
        pytest.param({"objective": CACHE}, "CacheHitRate", "ShiftTraffic", 0.3, id="cache"),
    ],
)  # fmt: skip
def test_an_objective_says_what_it_is_about_and_what_it_allows(
    spec: dict[str, Any], objective: str, on_breach: str, budget: float
) -> None:
    bench = Bench(slo(**spec))
    about = {"route": "chat", "rule": "slow", "objective": objective, "on_breach": on_breach}

    assert bench.value("tokenfleet_slo_info", slo="ttft", **about) == 1
    assert bench.value("tokenfleet_slo_error_budget", slo="ttft") == pytest.approx(budget)


def test_an_objective_on_a_whole_route_names_no_rule() -> None:
    bench = Bench(slo(targetRef={"name": "chat"}, onBreach={"type": "Alert"}))
    about = {"route": "chat", "rule": "", "objective": "Latency", "on_breach": "Alert"}

    assert bench.value("tokenfleet_slo_info", slo="ttft", **about) == 1


def test_prices_are_those_of_one_token_and_one_replica() -> None:
    bench = Bench(pool("large", price=TOKENS), pool("small", price=HOURLY), pool("free"))
    price = "tokenfleet_pool_price_per_token"

    assert bench.value(price, pool="large", kind="prompt") == pytest.approx(2e-6)
    assert bench.value(price, pool="large", kind="cached") == pytest.approx(2e-6)
    assert bench.value(price, pool="large", kind="written") == pytest.approx(2e-6)
    assert bench.value(price, pool="large", kind="completion") == pytest.approx(8e-6)
    assert bench.value("tokenfleet_pool_price_per_replica_hour", pool="small") == 2.5
    assert {sample.labels["pool"] for sample in bench.samples()} == {"large", "small"}


def test_what_is_gone_or_cannot_be_read_is_not_told() -> None:
    unreadable = {**slo("broken"), "spec": {"objective": {"type": "Latency"}}}
    bench = Bench(slo(), unreadable, pool("large", price=TOKENS), {**pool("odd"), "spec": {}})
    bench.store.remove(ObjectKey(SLO, "ns", "ttft"))
    bench.store.remove(ObjectKey(POOL, "ns", "large"))

    assert bench.samples() == []
