"""Prometheus' text format for gauges of tens of thousands of series, at a fraction of the cost.

The library checks and escapes the names of labels again on every line, and holds every line of a
scrape until the last one is made. Here the labels of a family are laid out once, and lines are made
one at a time. Counters and histograms are few, and are written by the library. The text is the
same, byte for byte.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Final, cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

TO_ESCAPE: Final = re.compile(r'[\\"\n]')
ESCAPED: Final = {"\\": r"\\", '"': r"\"", "\n": r"\n"}

Row = tuple[list[str], float]
"""Values of the labels, in the family's order, and the value."""


class Lazily(Iterable[Sample]):
    """Samples that are made while they are written, and by each who asks."""

    def __init__(self, name: str, labels: list[str], rows: Callable[[], Iterator[Row]]) -> None:
        """Make samples called `name` from `rows`."""
        self._name, self._labels, self._rows = name, labels, rows

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples."""
        for values, value in self._rows():
            yield Sample(self._name, dict(zip(self._labels, values, strict=True)), value)


def large_gauge(
    name: str, documentation: str, labels: list[str], rows: Callable[[], Iterator[Row]]
) -> GaugeMetricFamily:
    """Return a gauge whose series are never in memory all at once."""
    family = GaugeMetricFamily(name, documentation, labels=labels)
    family.samples = cast("list[Sample]", Lazily(name, labels, rows))
    return family


def exposition(registry: CollectorRegistry) -> bytes:
    """Return everything that a registry collects, in Prometheus' text format 0.0.4."""
    text = BytesIO()
    for family in registry.collect():
        if isinstance(family, GaugeMetricFamily):
            text.writelines(line.encode() for line in _gauge(family))
        else:
            text.write(generate_latest(cast("Collector", _One(family))))
    return text.getvalue()


class _One:
    """One family as if it were a registry."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family


def _gauge(family: Metric) -> Iterator[str]:
    about = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {family.name} {about}\n# TYPE {family.name} gauge\n"
    layouts: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = {}
    for sample in family.samples:
        labels = sample.labels
        names = tuple(labels)
        if names not in layouts:
            layouts[names] = _layout(sample.name, names)
        layout, order = layouts[names]
        values = tuple([labels[name] for name in order])
        if TO_ESCAPE.search("".join(values)):
            values = tuple(TO_ESCAPE.sub(lambda found: ESCAPED[found[0]], one) for one in values)
        yield f"{layout % values} {_number(sample.value)}\n"


def _number(value: float) -> str:
    return "1.0" if value == 1 else str(floatToGoString(value))  # type: ignore[no-untyped-call]


def _layout(name: str, labels: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return a series with places for the values of its labels, and the order of these."""
    order = tuple(sorted(labels))
    places = ",".join(f'{label}="%s"' for label in order)
    return (f"{name}{{{places}}}" if order else name), order
