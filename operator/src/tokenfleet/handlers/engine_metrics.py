"""What engines say of themselves, under one name for all families."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tokenfleet.domain.pools.acceptance import Place


class EngineCollector(Collector):
    """Reads the newest measurement at the time of the scrape."""

    def __init__(self, acceptances: Callable[[], Mapping[Place, float]]) -> None:
        """Read from `acceptances`."""
        self._acceptances = acceptances

    def collect(self) -> Iterator[Metric]:
        """Yield the family."""
        family = GaugeMetricFamily(
            "tokenfleet_speculation_acceptance",
            "Part of the tokens proposed by speculation that the target took in half an hour.",
            labels=["namespace", "pool"],
        )
        for place, part in sorted(self._acceptances().items()):
            family.add_metric(list(place), part)
        yield family
