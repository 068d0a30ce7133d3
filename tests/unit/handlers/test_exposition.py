"""The operator's own writer of metrics says the same as the library's."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tokenfleet.handlers.exposition import Row, exposition, large_gauge

LABELS = ["namespace", "name", "kind"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROWS = st.lists(st.tuples(st.lists(TEXTS, min_size=3, max_size=3), st.floats()), max_size=6)


class Rows(Collector):
    def __init__(self, rows: list[Row], *, large: bool = False) -> None:
        self.rows, self.large = rows, large

    def collect(self) -> Iterator[Metric]:
        if self.large:
            yield large_gauge("fleet", "What holds.", LABELS, lambda: iter(self.rows))
            return
        family = GaugeMetricFamily("fleet", "What holds.", labels=LABELS)
        for values, value in self.rows:
            family.add_metric(values, value)
        yield family


def registry_of(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


@given(ROWS)
def test_gauges_are_written_as_the_library_writes_them(rows: list[Row]) -> None:
    registry = registry_of(Rows(rows))

    assert exposition(registry) == generate_latest(registry)


@given(ROWS)
def test_a_large_gauge_says_the_same_as_one_that_is_held_whole(rows: list[Row]) -> None:
    assert exposition(registry_of(Rows(rows, large=True))) == exposition(registry_of(Rows(rows)))


def test_a_large_gauge_may_be_asked_for_again_and_by_others() -> None:
    registry = registry_of(Rows([(["ns", "large", "Pool"], 2.0)], large=True))

    labels = {"namespace": "ns", "name": "large", "kind": "Pool"}
    assert exposition(registry) == exposition(registry) == generate_latest(registry)
    assert registry.get_sample_value("fleet", labels) == 2


def test_every_other_kind_is_written_by_the_library() -> None:
    registry = CollectorRegistry()
    Counter("visits", "With a\nbreak and a \\.", ["result"], registry=registry).labels("a").inc()
    Histogram("seconds", "Length.", registry=registry).observe(0.2)
    Gauge("age", "Alone.", registry=registry).set(float("inf"))

    assert exposition(registry) == generate_latest(registry)
