"""A real HorizontalPodAutoscaler on a pool's demand: wakes it from zero, keeps it while it is left."""

import math
from collections.abc import Iterator

import pytest

from e2e.adapter import pod as adapter
from e2e.kit import prometheus
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.waiting import NotYet, condition, wait_for
from e2e.stories import fleet as written
from e2e.stories import waking
from e2e.stories.fleet import FALLBACK, PRIMARY, SLO, Fleet, finished, never
from e2e.stories.waking import PER_REPLICA, RATE

SYNC = 15.0
"""Seconds between two looks of the controller, its own default."""


@pytest.fixture(scope="module", autouse=True)
def external_metrics(cluster: Cluster, monitoring: Namespace) -> Iterator[None]:
    """Answer the autoscaler from Prometheus."""
    with adapter.serving(cluster, monitoring):
        yield


def autoscaler(*, least: int = 1) -> dict:
    """Return the autoscaler as a user writes it, but for its haste to shrink."""
    demand = {
        "metric": {
            "name": "tokenfleet_pool_demand",
            "selector": {"matchLabels": {"pool": PRIMARY}},
        },
        "target": {"type": "AverageValue", "averageValue": str(PER_REPLICA)},
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": PRIMARY},
        "spec": {
            "scaleTargetRef": {"apiVersion": written.API, "kind": "ServingPool", "name": PRIMARY},
            "minReplicas": least,
            "maxReplicas": 3,
            "metrics": [{"type": "External", "external": demand}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }


def test_a_pool_at_zero_wakes_by_demand_and_gets_its_traffic_back_in_steps(fleet: Fleet) -> None:
    waking.falls_asleep(fleet, autoscaler(least=0))
    load = fleet.start_load(rate=RATE)
    waking.wakes(fleet)
    waking.gets_its_traffic_back(fleet)
    fleet.namespace.delete("hpa", PRIMARY)
    records = finished(load, at_least=100)
    waking.as_before(fleet)

    assert {record.pool for record in records} == {PRIMARY, FALLBACK}


def test_a_pool_on_demand_keeps_its_replicas_while_its_traffic_is_away(
    fleet: Fleet, monitoring: Namespace
) -> None:
    load = fleet.start_load(rate=RATE)
    fleet.apply(written.slo())
    fleet.namespace.apply(autoscaler())

    def active() -> bool | NotYet:
        found = fleet.namespace.get("hpa", PRIMARY)
        state = condition(found, "ScalingActive")
        desired = ((found or {}).get("status") or {}).get("desiredReplicas")
        right = state.get("status") == "True" and desired == 2
        return right or NotYet(f"desired {desired}: {state.get('message', 'nothing yet')}")

    wait_for("the autoscaler to want two", active, timeout=240, namespace=fleet.namespace)
    fleet.behave(PRIMARY, ttft=1.5)
    fleet.wait_share("the floor", lambda share: share <= 130)

    def shrunk() -> bool:
        return fleet.namespace.must_get("servingpool", PRIMARY)["spec"]["replicas"] < 2

    never("the autoscaler shrank the pool", shrunk, seconds=2.5 * SYNC)
    # What an autoscaler on the pool's own traffic would have done meanwhile.
    where = f'namespace="{fleet.namespace.name}",pool="{PRIMARY}"'
    carried = prometheus.number(monitoring, f"sum(rate(tokenfleet_attempts_total{{{where}}}[20s]))")
    fleet.behave(PRIMARY)
    fleet.wait_baseline()
    fleet.namespace.delete("hpa", PRIMARY)
    fleet.namespace.delete("tokenslo", SLO)
    finished(load, at_least=100)

    assert carried is not None
    assert math.ceil(carried / PER_REPLICA) < 2, f"{carried} requests/s: nothing was shifted"
