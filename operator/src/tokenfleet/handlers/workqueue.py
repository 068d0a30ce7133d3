"""Metrics of the work queue, by client-go's names (`k8s.io/component-base`, workqueue provider).

One queue serves all controllers; the label `name` is the visited kind in lower case, as in
controller-runtime.
"""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tokenfleet.domain.fleet.keys import VISITED, ObjectKey
from tokenfleet.reconcilers.queue import Queue

SECONDS: Final = (1e-4, 1e-3, 1e-2, 0.1, 1, 10, 60, 600)
"""Boundaries for waiting and working; client-go's decades, as far as they occur."""

NAMES: Final = tuple(kind.lower() for kind in VISITED)


class WorkqueueMetrics(Collector):
    """Listens to a queue, and looks at it when asked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Start with every counter at zero."""
        self._adds = Counter(
            "workqueue_adds_total", "Keys that were added.", ["name"], registry=registry
        )
        self._retries = Counter(
            "workqueue_retries_total",
            "Visits to try again.",
            ["name"],
            registry=registry,
        )
        self._waited = Histogram(
            "workqueue_queue_duration_seconds",
            "Time that keys waited for their visit.",
            ["name"],
            buckets=SECONDS,
            registry=registry,
        )
        self._worked = Histogram(
            "workqueue_work_duration_seconds",
            "Length of visits.",
            ["name"],
            buckets=SECONDS,
            registry=registry,
        )
        for name in NAMES:
            for metric in (self._adds, self._retries, self._waited, self._worked):
                metric.labels(name)
        self._queue: Queue[ObjectKey] | None = None
        registry.register(self)

    def look_at(self, queue: Queue[ObjectKey]) -> None:
        """Tell about this queue's depth and running visits from now on."""
        self._queue = queue

    def added(self, key: ObjectKey) -> None:
        """Count a key that was added and did not wait already."""
        self._adds.labels(key.kind.lower()).inc()

    def retried(self, key: ObjectKey) -> None:
        """Count a visit that will be tried again."""
        self._retries.labels(key.kind.lower()).inc()

    def taken(self, key: ObjectKey, waited: float) -> None:
        """Count how long a key waited, in seconds."""
        self._waited.labels(key.kind.lower()).observe(waited)

    def finished(self, key: ObjectKey, worked: float) -> None:
        """Count how long a visit took, in seconds."""
        self._worked.labels(key.kind.lower()).observe(worked)

    def collect(self) -> Iterable[Metric]:
        """Return what holds at this moment."""
        depth = GaugeMetricFamily("workqueue_depth", "Keys that wait for a visit.", labels=["name"])
        unfinished = GaugeMetricFamily(
            "workqueue_unfinished_work_seconds",
            "Seconds that running visits have taken so far, all together: what hangs only grows.",
            labels=["name"],
        )
        longest = GaugeMetricFamily(
            "workqueue_longest_running_processor_seconds",
            "Seconds that the longest running visit has taken so far.",
            labels=["name"],
        )
        waiting = Tally(key.kind.lower() for key in self._queue.waiting()) if self._queue else {}
        running = self._queue.running() if self._queue is not None else {}
        for name in NAMES:
            ages = [age for key, age in running.items() if key.kind.lower() == name]
            depth.add_metric([name], waiting.get(name, 0))
            unfinished.add_metric([name], sum(ages))
            longest.add_metric([name], max(ages, default=0.0))
        return depth, unfinished, longest
