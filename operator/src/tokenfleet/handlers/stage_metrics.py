"""What the stages of latency budgets take and may take, as metrics that alerts compare."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tokenfleet.reconcilers.latency_stages import LatencyStages

LABELS: Final = ["namespace", "route", "stage"]


class StageCollector(Collector):
    """Reads what was measured last, at the time of the scrape."""

    def __init__(self, stages: LatencyStages) -> None:
        """Read from `stages`."""
        self._stages = stages

    def collect(self) -> Iterator[Metric]:
        """Yield both families."""
        budget = GaugeMetricFamily(
            "tokenfleet_route_stage_budget_seconds", "What a stage may take.", labels=LABELS
        )
        took = GaugeMetricFamily(
            "tokenfleet_route_stage_seconds",
            "What a stage took in the last hour.",
            labels=[*LABELS, "quantile"],
        )
        for place, stages in sorted(self._stages.all().items()):
            for stage in stages:
                budget.add_metric([*place, stage.name], stage.budget.total_seconds())
                for quantile, seconds in (("0.5", stage.p50), ("0.99", stage.p99)):
                    if seconds is not None:
                        took.add_metric([*place, stage.name, quantile], seconds)
        yield budget
        yield took
