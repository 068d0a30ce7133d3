"""The operator's own writer of metrics says the same as the library's."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tokenfleet.handlers.exposition import SUFFIXES, Row, exposition, large_gauge
from tokenfleet.handlers.telemetry import PrometheusTelemetry

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


@given(st.lists(st.tuples(TEXTS, TEXTS, st.floats(min_value=0)), max_size=6))
def test_counters_and_histograms_are_written_as_the_library_writes_them(
    seen: list[tuple[str, str, float]],
) -> None:
    registry = CollectorRegistry()
    visits = Counter("visits", "With a\nbreak and a \\.", ["to", "by"], registry=registry)
    seconds = Histogram("seconds", "Length.", ["to", "by"], registry=registry)
    ticks = Histogram("ticks", "Alone.", registry=registry)
    for to, by, value in seen:
        visits.labels(to, by).inc(value)
        seconds.labels(to, by).observe(value)
        ticks.observe(value)

    assert exposition(registry) == generate_latest(registry)


def test_no_family_of_the_operator_is_of_another_kind() -> None:
    kinds = {family.type for family in PrometheusTelemetry().registry.collect()}

    assert kinds <= SUFFIXES.keys()
