"""A real HorizontalPodAutoscaler on the pool's demand does not shrink a pool that was left."""

import math

from e2e.adapter import pod as adapter
from e2e.kit import prometheus
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.waiting import NotYet, condition, wait_for
from e2e.stories import fleet as written
from e2e.stories.fleet import PRIMARY, SLO, Fleet, all_answered, never

RATE = 8.0
PER_REPLICA = 5
"""Requests per second that the autoscaler gives one replica: 8 a second need two."""
SYNC = 15.0
"""Seconds between two looks of the controller, its own default."""


def autoscaler() -> dict:
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
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [{"type": "External", "external": demand}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }


def test_a_pool_on_demand_keeps_its_replicas_while_its_traffic_is_away(
    fleet: Fleet, cluster: Cluster, monitoring: Namespace
) -> None:
    with adapter.serving(cluster, monitoring):
        load = fleet.start_load(rate=RATE)
        fleet.apply(written.slo())
        fleet.namespace.apply(autoscaler())

        def active() -> bool | NotYet:
            found = fleet.namespace.get("hpa", PRIMARY)
            state = condition(found, "ScalingActive")
            desired = ((found or {}).get("status") or {}).get("desiredReplicas")
            right = state.get("status") == "True" and desired == 2
            return right or NotYet(f"desired {desired}: {state.get('message', 'nothing yet')}")

        wait_for("the autoscaler to want two", active, timeout=120, namespace=fleet.namespace)
        fleet.behave(PRIMARY, ttft=1.5)
        fleet.wait_share("the floor", lambda share: share <= 130)

        def shrunk() -> bool:
            return fleet.namespace.must_get("servingpool", PRIMARY)["spec"]["replicas"] < 2

        never("the autoscaler shrank the pool", shrunk, seconds=2.5 * SYNC)
        # What an autoscaler on the pool's own traffic would have done meanwhile.
        where = f'namespace="{fleet.namespace.name}",pool="{PRIMARY}"'
        carried = prometheus.number(
            monitoring, f"sum(rate(tokenfleet_attempts_total{{{where}}}[20s]))"
        )
        fleet.behave(PRIMARY)
        fleet.wait_baseline()
        fleet.namespace.delete("hpa", PRIMARY)
        fleet.namespace.delete("tokenslo", SLO)
        all_answered(load.finish(), at_least=100)

    assert carried is not None
    assert math.ceil(carried / PER_REPLICA) < 2, f"{carried} requests/s: nothing was shifted"
