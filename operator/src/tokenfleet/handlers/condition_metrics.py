"""Conditions of all objects as one metric, and how many replicas pools want.

One series for each condition, with the status and the reason that hold: alerts of any kind can be
written over it, and none has to be added for a new reason. A series goes when its object does, or
when something else holds.
"""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tokenfleet.domain.fleet.keys import POOL, VISITED
from tokenfleet.handlers.exposition import Row, large_gauge
from tokenfleet.ports import Body
from tokenfleet.reconcilers.store import Store

LABELS: Final = ["kind", "namespace", "name", "type", "status", "reason"]


class ConditionCollector(Collector):
    """Reads the store at the time of the scrape."""

    def __init__(self, store: Store) -> None:
        """Read objects from `store`."""
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Yield both families."""
        yield large_gauge(
            "tokenfleet_condition", "1 for the status and reason that hold.", LABELS, self._holding
        )
        desired = GaugeMetricFamily(
            "tokenfleet_pool_desired_replicas",
            "Replicas that are wanted; of Existing and External pools the least that serves.",
            labels=["namespace", "pool"],
        )
        for body in self._store.all(POOL):
            metadata = body["metadata"]
            desired.add_metric([metadata["namespace"], metadata["name"]], _desired(body))
        yield desired

    def _holding(self) -> Iterator[Row]:
        for kind in VISITED:
            for body in self._store.all(kind):
                metadata = body["metadata"]
                place = [kind, metadata["namespace"], metadata["name"]]
                for item in body.get("status", {}).get("conditions", ()):
                    yield [*place, item["type"], item["status"], item["reason"]], 1


def _desired(pool: Body) -> int:
    """Return what is wanted, whether or not it exists.

    Who deploys an Existing pool knows how many replicas it should have; that routes may use it
    means one at least. A provider counts as one.
    """
    spec = pool.get("spec", {})
    return int(spec.get("replicas", 1)) if spec.get("type", "Managed") == "Managed" else 1
