"""From Envoy's stats to Tokenfleet's metrics, in the Prometheus text format.

Envoy counts milliseconds under names and labels of its own; users see seconds, the names of the
metric contract, and every outcome of a label set from its first attempt on (a counter that appears
with its first failure would hide that failure from `increase`).

For a threshold T every attempt is decided once, good or late:

    good   its first token came within T               time_to_first_token_seconds_bucket{le=T}
    late   none had come when T had passed, or it
           failed before it gave one                   late_attempts_total{threshold=T}

With c the first flush of the upstream log after T (`attempts`), and the raw histograms' counts up
to x written as ttft(x), failed(x), cancelled(x):

    late(T) = overdue(c) + ttft(c) - ttft(T) + failed(c) + cancelled(c) - cancelled(T)

Each term only grows. Whoever was still waiting at c is in overdue(c) whatever comes later; whoever
ended before c is in one of the others, or is neither good nor late: refused as the client's error,
or given up by the client before T. Pools that send headers ahead of the first token cannot be seen
waiting; for them c is infinite and the attempt is late when its first token comes.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tokenfleet.adapters.envoy.attempts import ATTEMPT, FLUSH_MS, OVERDUE, TTFT, flush_after
from tokenfleet.adapters.envoy.outcomes import (
    FAILED_BEFORE_ANSWER,
    OUTCOMES,
    answered,
    outcome,
)
from tokenfleet.adapters.envoy.requests import (
    CACHED,
    COMPLETION,
    PROMPT,
    USAGE_MISSING,
)
from tokenfleet.adapters.envoy.wire import STAT_PREFIX
from tokenfleet.api.ladder import LADDER_MILLISECONDS

STATS_FILTER: Final = rf"^{STAT_PREFIX}\.|^cluster\..*\.upstream_rq_active$"
"""What to ask Envoy's `/stats/prometheus` for."""

_LINE: Final = re.compile(r"^envoy_(\w+)\{(.*)\} (\S+)$")
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
_LE: Final = ',le="'
_INFINITY: Final = "+Inf"
_PREFIX: Final = f"{STAT_PREFIX}_"
_MICROSECONDS: Final = 1_000
"""Per millisecond; Envoy counts the time per token in these."""
_COUNTERS: Final = (PROMPT, CACHED, COMPLETION, USAGE_MISSING)

Labels = tuple[str, str]
"""`route/rule|feature|request_type`, and the pool."""
_DETAILED: Final = 4
"""Parts of a key that says how it ended: labels, pool, response code, response flags."""


@dataclass(slots=True)
class _Histogram:
    """Cumulative counts by upper boundary in Envoy's unit (None is infinity), and the sum."""

    counts: dict[int | None, int] = field(default_factory=dict)
    sum: float = 0.0

    def up_to(self, boundary: int | None) -> int:
        return self.counts.get(boundary, 0)

    def add(self, other: "_Histogram") -> None:
        for boundary, count in other.counts.items():
            self.counts[boundary] = self.counts.get(boundary, 0) + count
        self.sum += other.sum


@dataclass(slots=True)
class _Raw:
    """Everything Envoy says about one label set."""

    ttft: _Histogram = field(default_factory=_Histogram)
    pace: _Histogram = field(default_factory=_Histogram)
    attempts: dict[tuple[str, str], _Histogram] = field(default_factory=dict)
    requests: dict[tuple[str, str], _Histogram] = field(default_factory=dict)
    overdue: dict[int, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)


def translate(text: str, *, early: frozenset[str]) -> Iterator[str]:
    """Yield the lines of Tokenfleet's exposition.

    Args:
        text: Envoy's `/stats/prometheus`, filtered by `STATS_FILTER`.
        early: pools that send response headers ahead of the first token.
    """
    reader = _Reader()
    for line in text.splitlines():
        reader.read(line)
    rows = sorted(reader.rows.items())
    attempted = [(labels, row) for labels, row in rows if labels[1]]
    for name, kind, about, write in _FAMILIES:
        yield from _family(name, kind, about)
        for labels, row in rows if name.startswith("request") else attempted:
            yield from write(f"tokenfleet_{name}", labels, row)
    yield from _family("late_attempts_total", "counter", "Attempts that missed the threshold.")
    for labels, row in attempted:
        yield from _late("tokenfleet_late_attempts_total", labels, row, early=labels[1] in early)
    yield from _family("inflight", "gauge", "Attempts under way.")
    for pool, count in sorted(reader.inflight.items()):
        yield f'tokenfleet_inflight{{pool="{pool}"}} {count}'


class _Reader:
    """Reads Envoy's exposition, line by line."""

    def __init__(self) -> None:
        self.rows: dict[Labels, _Raw] = {}
        self.inflight: dict[str, int] = {}
        self._buckets: dict[str, dict[int | None, int]] = {}

    def read(self, line: str) -> None:
        # Most lines are buckets, fifty in a row that differ in `le` only: labels are read once.
        at = line.find(_LE)
        if at > 0:
            self._bucket(line[:at], line[at + len(_LE) :])
            return
        match = _LINE.match(line)
        if match is None:
            return
        name, labels, value = match[1], dict(_LABEL.findall(match[2])), match[3]
        if name == "cluster_upstream_rq_active":
            self.inflight[labels["envoy_cluster_name"]] = int(value)
        elif not name.startswith(_PREFIX):
            return  # a cluster of the router's own: its name has a dot, where Envoy ends the label
        elif name.endswith("_sum"):
            self._histogram(name.removesuffix("_sum"), labels).sum = float(value)
        elif not name.endswith("_count"):
            self._counter(name.removeprefix(_PREFIX), labels, int(value))

    def _bucket(self, series: str, rest: str) -> None:
        counts = self._buckets.get(series)
        if counts is None:
            name, _, labels = series.removeprefix("envoy_").partition("_bucket{")
            histogram = self._histogram(name, dict(_LABEL.findall(labels)))
            counts = self._buckets[series] = histogram.counts
        boundary, _, value = rest.partition('"} ')
        counts[None if boundary == _INFINITY else int(float(boundary))] = int(value)

    def _histogram(self, name: str, labels: Mapping[str, str]) -> _Histogram:
        stat, parts = name.removeprefix(_PREFIX), labels["key"].split(";")
        row = self._row(parts)
        if len(parts) == _DETAILED:
            by_ending = row.attempts if stat == ATTEMPT else row.requests
            return by_ending.setdefault((parts[2], parts[3]), _Histogram())
        return row.ttft if stat == TTFT else row.pace

    def _counter(self, stat: str, labels: Mapping[str, str], value: int) -> None:
        row = self._row(labels["key"].split(";"))
        if stat == OVERDUE:
            row.overdue[int(labels["flush"])] = value
        else:
            row.counters[stat] = value

    def _row(self, parts: Sequence[str]) -> _Raw:
        pool = parts[1].removeprefix("-")  # Envoy writes a dash for what is not there
        return self.rows.setdefault((parts[0], pool), _Raw())


def _late(name: str, labels: Labels, row: _Raw, *, early: bool) -> Iterator[str]:
    failed, cancelled = _Histogram(), _Histogram()
    for (code, flags), histogram in row.attempts.items():
        if answered(code):
            continue  # it had its first token: what went wrong later is not lateness
        result = outcome(code, flags)
        if result in FAILED_BEFORE_ANSWER:
            failed.add(histogram)
        elif result == "cancelled":
            cancelled.add(histogram)
    for boundary in LADDER_MILLISECONDS:
        flush = flush_after(boundary)
        seen = None if early else flush * FLUSH_MS
        late = (
            (0 if early else row.overdue.get(flush, 0))
            + (row.ttft.up_to(seen) - row.ttft.up_to(boundary))
            + failed.up_to(seen)
            + (cancelled.up_to(seen) - cancelled.up_to(boundary))
        )
        yield (f'{name}{{{_write(labels)},threshold="{boundary / 1000}"}} {late}')


def _outcomes(
    name: str, labels: Labels, by_ending: Mapping[tuple[str, str], _Histogram]
) -> Iterator[str]:
    counts = dict.fromkeys(OUTCOMES, 0)
    for (code, flags), histogram in by_ending.items():
        counts[outcome(code, flags)] += histogram.up_to(None)
    for result, count in counts.items():
        yield f'{name}{{{_write(labels)},outcome="{result}"}} {count}'


def _buckets(name: str, labels: Labels, histogram: _Histogram, *, unit: int = 1) -> Iterator[str]:
    written = _write(labels)
    for boundary in LADDER_MILLISECONDS:
        count = histogram.up_to(boundary * unit)
        yield f'{name}_bucket{{{written},le="{boundary / 1000}"}} {count}'
    total = histogram.up_to(None)
    yield f'{name}_bucket{{{written},le="{_INFINITY}"}} {total}'
    yield f"{name}_sum{{{written}}} {histogram.sum / (1000 * unit)}"
    yield f"{name}_count{{{written}}} {total}"


def _counter(stat: str) -> Callable[[str, Labels, _Raw], Iterator[str]]:
    def write(name: str, labels: Labels, row: _Raw) -> Iterator[str]:
        yield f"{name}{{{_write(labels)}}} {row.counters.get(stat, 0)}"

    return write


def _sum(histograms: Iterable[_Histogram]) -> _Histogram:
    total = _Histogram()
    for histogram in histograms:
        total.add(histogram)
    return total


def _family(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP tokenfleet_{name} {about}"
    yield f"# TYPE tokenfleet_{name} {kind}"


def _write(labels: Labels) -> str:
    key, pool = labels
    place, _, attributes = key.partition("|")
    route, found, rule = place.partition("/")
    if not found:  # the router's own answers belong to no route
        route = ""
    feature, _, kind = attributes.partition("|")
    return f'route="{route}",rule="{rule}",pool="{pool}",feature="{feature}",request_type="{kind}"'


_FAMILIES: Final[tuple[tuple[str, str, str, Callable[[str, Labels, _Raw], Iterator[str]]], ...]] = (
    (
        "attempts_total",
        "counter",
        "Attempts that ended, by outcome.",
        lambda name, labels, row: _outcomes(name, labels, row.attempts),
    ),
    (
        "time_to_first_token_seconds",
        "histogram",
        "End of an attempt's request to its first body byte.",
        lambda name, labels, row: _buckets(name, labels, row.ttft),
    ),
    (
        "attempt_duration_seconds",
        "histogram",
        "Attempts, from start to end.",
        lambda name, labels, row: _buckets(name, labels, _sum(row.attempts.values())),
    ),
    (
        "time_per_output_token_seconds",
        "histogram",
        "First token of a stream to its end, by token after the first.",
        lambda name, labels, row: _buckets(name, labels, row.pace, unit=_MICROSECONDS),
    ),
    (
        "requests_total",
        "counter",
        "Requests of clients that ended, by outcome.",
        lambda name, labels, row: _outcomes(name, labels, row.requests),
    ),
    (
        "request_duration_seconds",
        "histogram",
        "Requests of clients, from start to end.",
        lambda name, labels, row: _buckets(name, labels, _sum(row.requests.values())),
    ),
    *(
        (f"{counter}_total", "counter", "Usage as the pools reported it.", _counter(counter))
        for counter in _COUNTERS
    ),
)
"""Name, type, help text, and what writes one label set's lines."""
