"""From rows to a `Measurement`: what was said, what was not, and what cannot be believed.

An absent row is kept absent: a pool without attempts has no series, and that is not the same as a
series of zeros. A value that is no finite number of at least 0 marks its cell as broken, and so do
two rows that contradict each other; the engine then holds.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from tokenfleet.adapters.prometheus.access import AccessError
from tokenfleet.adapters.prometheus.queries import Family, Query, queries
from tokenfleet.adapters.prometheus.source import PartialError
from tokenfleet.domain.slo.data_state import CLOCK_TOLERANCE
from tokenfleet.domain.slo.objectives import ObjectiveSpec
from tokenfleet.domain.slo.observation import (
    Cell,
    Failure,
    Ladder,
    Measurement,
    RouterReplica,
    RuleKey,
    RuleMeasurement,
    Scrapes,
    Tally,
)
from tokenfleet.ports import MetricSource, PortError, Sample

LOOK_AHEAD: Final = 2 * CLOCK_TOLERANCE
"""How far past now the newest sample is looked for, so that a Prometheus whose clock runs ahead is
seen; its own look-back of 5 min still covers everything before."""

_END_OF_TIME: Final = 1e11
"""Seconds; what lies beyond is no time, and no `datetime` either."""


async def measure(
    source: MetricSource,
    *,
    objectives: Collection[ObjectiveSpec],
    replicas: Collection[RouterReplica],
    at: datetime,
    scrape_interval: timedelta,
) -> Measurement:
    """Ask everything that one tick needs; never raises for what the outside world did."""
    wanted = queries(objectives, replicas)
    try:
        # One first: where nobody answers, 29 more timeouts would only delay saying so.
        first = await _ask(source, wanted[0], at)
        rest = await asyncio.gather(*(_ask(source, query, at) for query in wanted[1:]))
    except PartialError as error:
        return _failed(at, scrape_interval, Failure("Partial", str(error)))
    except AccessError as error:
        return _failed(at, scrape_interval, Failure("AccessDenied", str(error)))
    except PortError as error:
        return _failed(at, scrape_interval, Failure("SourceError", str(error)))
    answers = list(zip(wanted, [first, *rest], strict=True))
    return read(answers, at=at, scrape_interval=scrape_interval)


def read(
    answers: Iterable[tuple[Query, Sequence[Sample]]], *, at: datetime, scrape_interval: timedelta
) -> Measurement:
    """Sort the rows of all queries; their order does not matter."""
    rows: dict[Family, list[Sample]] = defaultdict(list)
    for query, samples in answers:
        rows[query.family] += samples
    cells = _cells(rows[Family.GOOD], rows[Family.BAD])
    ladders = _ladders(rows[Family.LADDER])
    demand = {
        key: row.value
        for row in rows[Family.DEMAND]
        if (key := _rule(row)) is not None and _sound(row.value)
    }
    keys = sorted({*cells, *ladders, *demand})
    return Measurement(
        at=at,
        rules={
            key: RuleMeasurement(
                cells=tuple(cells.get(key, ())),
                ladders=tuple(ladders.get(key, ())),
                demand=demand.get(key),
            )
            for key in keys
        },
        replicas=_scrapes(rows[Family.SCRAPES], rows[Family.NEWEST]),
        scrape_interval=scrape_interval,
    )


async def _ask(source: MetricSource, query: Query, at: datetime) -> Sequence[Sample]:
    ahead = LOOK_AHEAD if query.family is Family.NEWEST else timedelta(0)
    return await source.query(query.text, at=at + ahead)


def _failed(at: datetime, scrape_interval: timedelta, failure: Failure) -> Measurement:
    return Measurement(at=at, scrape_interval=scrape_interval, failure=failure)


_Side = dict[timedelta, dict[str, float]]


@dataclass(slots=True)
class _Draft:
    """A cell while its rows come in: window -> boundary as text -> attempts."""

    good: _Side = field(default_factory=dict)
    bad: _Side = field(default_factory=dict)
    broken: bool = False

    def windows(self) -> dict[timedelta, Tally]:
        windows = sorted({*self.good, *self.bad})
        return {w: Tally(_summed(self.good, w), _summed(self.bad, w)) for w in windows}


def _summed(side: _Side, window: timedelta) -> dict[timedelta, float]:
    """Add up boundaries that are written differently, such as `1` and `1.0` of two replicas."""
    sums: dict[timedelta, float] = {}
    for text, value in side.get(window, {}).items():
        threshold = _seconds(text)
        if threshold is not None:
            sums[threshold] = sums.get(threshold, 0.0) + value
    return sums


def _cells(good: Iterable[Sample], bad: Iterable[Sample]) -> dict[RuleKey, list[Cell]]:
    drafts: dict[tuple[RuleKey, str, str, str], _Draft] = defaultdict(_Draft)
    for rows, boundary, side in ((good, "le", "good"), (bad, "threshold", "bad")):
        for row in rows:
            key, window = _rule(row), _window(row)
            text = row.labels.get(boundary, "")
            if key is None or window is None or _seconds(text) is None:
                continue
            labels = row.labels
            place = (labels.get("pool", ""), labels.get("feature", ""))
            draft = drafts[(key, *place, labels.get("request_type", ""))]
            counts = getattr(draft, side).setdefault(window, {})
            if not _sound(row.value) or counts.setdefault(text, row.value) != row.value:
                draft.broken = True
    cells: dict[RuleKey, list[Cell]] = defaultdict(list)
    for (key, pool, feature, request_type), draft in sorted(drafts.items()):
        cells[key].append(
            Cell(
                pool=pool,
                feature=feature,
                request_type=request_type,
                windows=draft.windows(),
                broken=draft.broken,
            )
        )
    return cells


def _ladders(rows: Iterable[Sample]) -> dict[RuleKey, list[Ladder]]:
    steps: dict[tuple[RuleKey, str, str, timedelta], dict[float, float]] = defaultdict(dict)
    for row in rows:
        key, window = _rule(row), _window(row)
        boundary = _number(row.labels.get("le", ""))
        if key is None or window is None or boundary is None or not _sound(row.value):
            continue
        labels = row.labels
        place = (key, labels.get("feature", ""), labels.get("request_type", ""), window)
        steps[place][boundary] = steps[place].get(boundary, 0.0) + row.value
    ladders: dict[RuleKey, list[Ladder]] = defaultdict(list)
    for (key, feature, request_type, window), buckets in sorted(steps.items()):
        ladders[key].append(
            Ladder(
                feature=feature,
                request_type=request_type,
                window=window,
                buckets=tuple(sorted(buckets.items())),
            )
        )
    return ladders


def _scrapes(
    successes: Iterable[Sample], newest: Iterable[Sample]
) -> dict[tuple[str, str], Scrapes]:
    counts: dict[tuple[str, str], dict[timedelta, float]] = defaultdict(dict)
    for row in successes:
        window = _window(row)
        if window is not None and _sound(row.value):
            counts[_pod(row)][window] = row.value
    times = {
        _pod(row): datetime.fromtimestamp(row.value, tz=UTC)
        for row in newest
        if _sound(row.value) and row.value < _END_OF_TIME
    }
    return {
        pod: Scrapes(successes=counts.get(pod, {}), newest=times.get(pod))
        for pod in sorted({*counts, *times})
    }


def _rule(row: Sample) -> RuleKey | None:
    labels: Mapping[str, str] = row.labels
    if not all(labels.get(name) for name in RuleKey._fields):
        return None  # a series of something else under our name
    return RuleKey(labels["namespace"], labels["route"], labels["rule"])


def _pod(row: Sample) -> tuple[str, str]:
    return (row.labels.get("namespace", ""), row.labels.get("pod", ""))


def _window(row: Sample) -> timedelta | None:
    milliseconds = _number(row.labels.get("window", ""))
    if milliseconds is None or not _sound(milliseconds) or milliseconds > _END_OF_TIME:
        return None
    return timedelta(milliseconds=milliseconds)


def _seconds(text: str) -> timedelta | None:
    seconds = _number(text)
    if seconds is None or not _sound(seconds) or seconds > _END_OF_TIME:
        return None
    return timedelta(milliseconds=round(seconds * 1000))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sound(value: float) -> bool:
    return math.isfinite(value) and value >= 0
