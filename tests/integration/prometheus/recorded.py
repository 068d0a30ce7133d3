"""Scrapes at times of their own: what two routers said in the three minutes before `NOW`.

A test that scrapes for real must wait for whole windows, and counts what a busy machine let through.
Here every sample has the time that the test gives it, so that numbers are exact and nothing waits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.prometheus.conftest import SCRAPE_SECONDS, Prometheus
from tests.support.remote_write import Written, write

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECONDS = 180
"""How long the routers have been scraped; all counters began at 0."""
NAMESPACE = "team-a"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A Prometheus that remembers the scrapes of these pods."""

    prometheus: Prometheus
    pods: tuple[str, ...] = ("router-1", "router-2")

    def record(self, exposition: Callable[[float], str]) -> Self:
        """Write what every pod said, each second; `exposition` of the seconds since its start."""
        times = range(0, SECONDS + 1, SCRAPE_SECONDS)
        begun = NOW.timestamp() - SECONDS
        points: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[float, float]]] = {}
        for passed in times:
            for family in text_string_to_metric_families(exposition(passed)):
                for sample in family.samples:
                    key = sample.name, tuple(sorted(sample.labels.items()))
                    points.setdefault(key, []).append((begun + passed, sample.value))
        up = [(begun + passed, 1.0) for passed in times]
        for pod in self.pods:
            place = {"namespace": NAMESPACE, "pod": pod, "job": "routers"}
            series: list[Written] = [("up", place, up)]
            series += [
                (name, {**place, **dict(labels)}, values)
                for (name, labels), values in points.items()
            ]
            write(self.prometheus.url, series)
        return self
