"""Recorded metrics, tick by tick.

The queries are those of the live tick, asked as range queries: Prometheus evaluates them at the
same instants with the same windows, and the same reader turns the rows of one instant into a
`Measurement`. A range is cut so that no answer nears Prometheus' limit of 11,000 points per series,
start and end are always given, and two queries are under way at a time: somebody else's Prometheus
is not ours to load.

One thing differs on purpose. The live tick looks a little past now for samples of a clock that runs
ahead; in the past every later sample lies there, so here the look ends at the tick.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.domain.slo.observation.measurement import Measurement, RouterReplica, RuleKey
from tokenfleet.ports import MetricHistory, Sample

MAX_POINTS: Final = 10_000
"""Points per series and query; Prometheus refuses more than 11,000."""
CONCURRENCY: Final = 2
"""Queries under way at a time."""
LONG_AGO: Final = timedelta(days=1)
"""Assumed age of the router replicas that were there at the first tick."""

Place = tuple[str, str]
"""(namespace, name)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Ticks at equal distances."""

    start: datetime
    step: timedelta
    count: int

    def at(self, tick: int) -> datetime:
        """Return the time of a tick."""
        return self.start + tick * self.step

    @property
    def end(self) -> datetime:
        """Return the time of the last tick."""
        return self.at(self.count - 1)

    def parts(self, size: int) -> Iterator["Span"]:
        """Cut into spans of at most so many ticks."""
        for first in range(0, self.count, size):
            count = min(size, self.count - first)
            yield Span(start=self.at(first), step=self.step, count=count)


Rows = Sequence[Sequence[Sample]]
"""Tick -> the rows of one query."""


async def rows(
    history: MetricHistory, texts: Iterable[str], span: Span, asked: Callable[[], None]
) -> dict[str, Rows]:
    """Ask every query for every tick of a span; call `asked` after each.

    Raises:
        PortError: one was not answered; a backtest of half of the rows would be a false one.
    """
    few = asyncio.Semaphore(CONCURRENCY)

    async def ask(text: str) -> Rows:
        async with few:
            found = await _by_tick(history, text, span)
        asked()
        return found

    wanted = list(dict.fromkeys(texts))
    answers = await asyncio.gather(*(ask(text) for text in wanted))
    return dict(zip(wanted, answers, strict=True))


async def _by_tick(history: MetricHistory, text: str, span: Span) -> Rows:
    answer = await history.query_range(text, start=span.start, end=span.end, step=span.step)
    instants = [span.at(tick) for tick in range(span.count)]
    first, step = span.start.timestamp(), span.step.total_seconds()
    found: list[list[Sample]] = [[] for _ in instants]
    for series in answer:
        for seconds, value in series.points:
            tick = round((seconds - first) / step)
            if 0 <= tick < span.count:
                sample = Sample(labels=series.labels, value=value, timestamp=instants[tick])
                found[tick].append(sample)
    return found


async def router_pods(
    history: MetricHistory, namespaces: Iterable[str], span: Span
) -> tuple[Place, ...]:
    """Return every pod that was a router replica at some time."""
    whole = span.end - span.start + span.step
    step = max(timedelta(minutes=5), whole / MAX_POINTS)
    seconds = max(1, int(step.total_seconds()))
    coarse = Span(
        start=span.start,
        step=timedelta(seconds=seconds),
        count=int(whole.total_seconds()) // seconds + 2,
    )
    text = (
        "group by (namespace, pod) (last_over_time(tokenfleet_router_applied_revision"
        f'{{namespace=~"{one_of(namespaces)}"}}[{seconds}s]))'
    )
    answer = await history.query_range(text, start=coarse.start, end=coarse.end, step=coarse.step)
    places = ((row.labels.get("namespace", ""), row.labels.get("pod", "")) for row in answer)
    return tuple(sorted({place for place in places if all(place)}))


def one_of(names: Iterable[str]) -> str:
    """Return a matcher of exactly these names, quoted for PromQL."""
    return "|".join(sorted({re.escape(name) for name in names})).replace("\\", "\\\\")


@dataclass(slots=True)
class Attendance:
    """Which router replicas were expected at a tick.

    A replica is expected as long as Prometheus knew it. Where no replica at all was known it was
    Prometheus that was away, so those of before stay expected, and the loop is blind.
    """

    since: dict[Place, datetime] = field(default_factory=dict)
    _first: bool = True

    def at(self, measurement: Measurement) -> tuple[RouterReplica, ...]:
        """Return the replicas of a tick; ticks must come in order."""
        now = measurement.at
        newest = {p: s.newest for p, s in measurement.replicas.items() if s.newest is not None}
        if newest:
            older = now - LONG_AGO if self._first else None
            self.since = {p: self.since.get(p, older or seen) for p, seen in newest.items()}
        self._first = False
        return tuple(
            RouterReplica(namespace=place[0], pod=place[1], since=since)
            for place, since in sorted(self.since.items())
        )


@dataclass(slots=True)
class Recorded:
    """Gauges that the operator exports of itself: shares, and ready replicas; kept over gaps."""

    shares: dict[RuleKey, dict[str, float]] = field(default_factory=dict)
    ready: dict[str, int] = field(default_factory=dict)
    """`namespace/pool` -> ready replicas."""

    def at(self, shares: Iterable[Sample], ready: Iterable[Sample]) -> None:
        """Take what one tick adds; what is absent stays as it was."""
        fresh: dict[RuleKey, dict[str, float]] = {}
        for row in shares:
            key = RuleKey(_namespace(row), row.labels.get("route", ""), row.labels.get("rule", ""))
            fresh.setdefault(key, {})[row.labels.get("pool", "")] = row.value
        self.shares.update(fresh)
        for row in ready:
            if row.value >= 0:
                self.ready[f"{_namespace(row)}/{row.labels.get('pool', '')}"] = int(row.value)


def share_query(routes: Iterable[str]) -> str:
    """Return the query of the shares that were in force."""
    by = "namespace, exported_namespace, route, rule, pool"
    return f'max by ({by}) (tokenfleet_route_share{{route=~"{one_of(routes)}"}})'


def ready_query(pools: Iterable[str]) -> str:
    """Return the query of the replicas that served."""
    by = "namespace, exported_namespace, pool"
    return f'max by ({by}) (tokenfleet_pool_ready_replicas{{pool=~"{one_of(pools)}"}})'


def _namespace(row: Sample) -> str:
    # Prometheus moves a label aside where the scraped target has one of the same name.
    labels: Mapping[str, str] = row.labels
    return labels.get("exported_namespace") or labels.get("namespace", "")
