"""Every condition is one series, and what pools want is told whether or not it exists."""

from typing import Any

from prometheus_client import CollectorRegistry

from tests.unit.domain.fleet.builders import managed_pool, pool, route
from tokenfleet.domain.fleet.keys import POOL, ObjectKey
from tokenfleet.handlers.condition_metrics import ConditionCollector
from tokenfleet.reconcilers.store import Store


class Bench:
    def __init__(self, *bodies: dict[str, Any]) -> None:
        self.store = Store(lambda _: None)
        self.registry = CollectorRegistry()
        self.registry.register(ConditionCollector(self.store))
        for body in bodies:
            self.store.put(body)

    def value(self, series: str, /, **labels: str) -> Any:
        return self.registry.get_sample_value(series, labels)


def condition(type_: str, status: str, reason: str) -> dict[str, str]:
    return {"type": type_, "status": status, "reason": reason}


WHERE = {"kind": POOL, "namespace": "ns", "name": "large"}


def test_the_status_and_reason_that_hold_are_one_series() -> None:
    conditions = [condition("Ready", "False", "QuotaExceeded"), condition("Accepted", "True", "A")]
    bench = Bench({**managed_pool(), "status": {"conditions": conditions}}, route())
    what = {**WHERE, "type": "Ready"}

    assert bench.value("tokenfleet_condition", **what, status="False", reason="QuotaExceeded") == 1
    assert bench.value("tokenfleet_condition", **what, status="True", reason="Ready") is None


def test_the_series_goes_with_its_object() -> None:
    conditions = [condition("Ready", "True", "Ready")]
    bench = Bench({**managed_pool(), "status": {"conditions": conditions}})
    bench.store.remove(ObjectKey(POOL, "ns", "large"))

    assert list(next(iter(bench.registry.collect())).samples) == []


def test_what_a_pool_wants_does_not_depend_on_what_exists() -> None:
    wanted = {**managed_pool(), "status": {"replicas": 0, "readyReplicas": 0}}
    wanted["spec"]["replicas"] = 3
    bench = Bench(wanted, pool("adopted"))

    name = "tokenfleet_pool_desired_replicas"
    assert bench.value(name, namespace="ns", pool="large") == 3
    assert bench.value(name, namespace="ns", pool="adopted") == 1
