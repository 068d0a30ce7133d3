"""What a Prometheus would say of the simulated pools: scrapes, windows, extrapolation, outages."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.domain.slo.observation.measurement import (
    NO_THRESHOLD,
    Cell,
    EngineLoad,
    Measurement,
    RuleKey,
    RuleMeasurement,
    Scrapes,
    Signal,
    Tally,
    Usage,
    UsageCell,
)
from tokenfleet.simulation.fleet import TOKENS
from tokenfleet.simulation.pools import Attempt

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
REPLICA: Final = "router"
"""The only replica of the router."""
KEPT: Final = 3.0 * 3600
"""Least seconds of scrapes that are kept; no window is longer."""


class Seen(NamedTuple):
    """Attempts of one pool by one signal and threshold, as a counter."""

    good: int = 0
    bad: int = 0
    cancelled: int = 0
    """Given up by their clients before the first token and the threshold."""


NONE: Final = Seen()
Span = tuple[int, int, float]
"""The first and the last sample of a window, and the factor of extrapolation."""


class Line(NamedTuple):
    """What is counted: the attempts of one rule on one pool, by one signal and threshold."""

    rule: RuleKey
    pool: str
    signal: Signal
    threshold: timedelta


@dataclass(slots=True)
class Book:
    """One line, as the router decides its attempts."""

    line: Line
    seconds: dict[int, list[int]] = field(default_factory=dict)
    """Second -> [good, bad, cancelled] that were decided in it, until a scrape has taken them."""
    total: Seen = NONE
    _threshold: float = 0.0

    def __post_init__(self) -> None:
        """Keep the threshold in seconds."""
        self._threshold = self.line.threshold.total_seconds()

    def enter(self, t: float, attempt: Attempt) -> bool:
        """Note when an attempt that came at t is decided, and as what; return whether as good."""
        by_first_token = self.line.signal is Signal.TTFT
        found = self._by_first_token(attempt) if by_first_token else self._by_end(attempt)
        after, verdict = found
        if after != math.inf:
            second = math.ceil(t + after)
            counts = self.seconds.get(second)
            if counts is None:
                counts = self.seconds[second] = [0, 0, 0]
            counts[verdict] += 1
        return verdict == 0

    def add(self, second: int, verdict: int, count: int = 1) -> None:
        """Add attempts: 0 good ones, 1 bad ones, 2 cancelled ones."""
        counts = self.seconds.get(second)
        if counts is None:
            counts = self.seconds[second] = [0, 0, 0]
        counts[verdict] += count

    def take(self, before: int) -> Seen:
        """Return the counter with all that was decided before a second."""
        due = [second for second in self.seconds if second < before]
        if due:
            good, bad, cancelled = self.total
            for second in due:
                counts = self.seconds.pop(second)
                good, bad, cancelled = good + counts[0], bad + counts[1], cancelled + counts[2]
            self.total = Seen(good, bad, cancelled)
        return self.total

    def _by_first_token(self, attempt: Attempt) -> tuple[float, int]:
        first, threshold = attempt.first, self._threshold
        if first <= threshold and first <= attempt.leaves:
            return first, 0
        if attempt.failed:
            return attempt.end, 1
        return (attempt.leaves, 2) if attempt.leaves < threshold else (threshold, 1)

    def _by_end(self, attempt: Attempt) -> tuple[float, int]:
        if attempt.failed:
            return attempt.end, 1
        if attempt.leaves < attempt.first:
            return attempt.leaves, 2
        took = attempt.end
        if self.line.signal is Signal.TPOT:
            took = (attempt.end - min(attempt.first, attempt.end)) / TOKENS
        late = self.line.signal is not Signal.ERRORS and took > self._threshold
        return attempt.end, int(late)


@dataclass(slots=True, kw_only=True)
class Store:
    """Scrapes of cumulative counts."""

    books: Mapping[Line, Book]
    interval: float
    unjudged: frozenset[RuleKey] = frozenset()
    """Rules that nothing is promised about: only how much they are asked is measured."""
    lag: float = 2.0
    """Seconds until a decided attempt can be scraped."""
    times: list[float] = field(default_factory=list)
    counts: list[tuple[Seen, ...]] = field(default_factory=list)
    """The counters of each scrape, in the order of the books."""
    waiting: list[Mapping[str, float]] = field(default_factory=list)
    """What engines said at each scrape: requests that wait for each of them, by pool."""
    ready: dict[str, int] = field(default_factory=dict)
    """What Kubernetes says at the same time: ready replicas by pool."""
    _places: dict[Line, int] = field(default_factory=dict)
    _kinds: dict[RuleKey, dict[tuple[Signal, timedelta], list[int]]] = field(default_factory=dict)
    """Rule -> signal and threshold -> places of its lines, one per pool."""

    def __post_init__(self) -> None:
        """Number the books."""
        for place, line in enumerate(self.books):
            self._places[line] = place
            kinds = self._kinds.setdefault(line.rule, {})
            kinds.setdefault((line.signal, line.threshold), []).append(place)

    @classmethod
    def of(
        cls,
        objectives: Iterable[ObjectiveSpec],
        rules: Mapping[RuleKey, Iterable[str]],
        interval: float,
    ) -> "Store":
        """Open the books that objectives ask for.

        Args:
            objectives: each about a rule, or about all rules of its route.
            rules: rule -> its pools.
            interval: seconds between scrapes.
        """
        lines = [
            Line(rule, pool, slo.signal, slo.threshold)
            for slo in objectives
            for rule, pools in rules.items()
            if rule[:2] == (slo.namespace, slo.route) and slo.rule in {None, rule.rule}
            for pool in pools
        ]
        promised = {line.rule for line in lines}
        lines += [
            Line(rule, pool, Signal.ERRORS, NO_THRESHOLD)
            for rule, pools in rules.items()
            if rule not in promised
            for pool in pools
        ]
        return cls(
            books={line: Book(line) for line in lines},
            interval=interval,
            unjudged=frozenset(rules.keys() - promised),
        )

    def counted(self, line: Line) -> list[Seen]:
        """Return one counter as every scrape found it."""
        place = self._places[line]
        return [counters[place] for counters in self.counts]

    def scrape(self, t: float, waiting: Mapping[str, float] | None = None) -> None:
        """Take one sample of every counter, and of what engines say."""
        now = int(t - self.lag) + 1
        self.times.append(t)
        self.counts.append(tuple(book.take(now) for book in self.books.values()))
        self.waiting.append(waiting or {})
        if self.times[len(self.times) // 2] < t - KEPT:
            self._forget(len(self.times) // 2)

    def increase(self, line: Line, t: float, window: float) -> tuple[float, float] | None:
        """Return (good, bad) as `increase` would, or None with fewer than two samples."""
        span = self._span(t, window)
        return self._increase(self._places[line], span)[:2] if span is not None else None

    def _increase(self, place: int, span: Span) -> tuple[float, float, float]:
        """Return (good, bad, given up) of one line."""
        first, last, factor = span
        before, after = self.counts[first][place], self.counts[last][place]
        return (
            (after.good - before.good) * factor,
            (after.bad - before.bad) * factor,
            (after.cancelled - before.cancelled) * factor,
        )

    def measure(self, t: float, windows: Iterable[timedelta]) -> Measurement:
        """Return what one tick would measure."""
        seconds = {window: window.total_seconds() for window in windows}
        spans = [(window, self._span(t, length)) for window, length in seconds.items()]
        held = [(window, span) for window, span in spans if span is not None]
        cells: dict[RuleKey, dict[tuple[str, Signal], dict[timedelta, Tally]]] = {}
        for place, line in enumerate(self.books):
            mine = cells.setdefault(line.rule, {})
            if line.rule in self.unjudged:
                continue
            tallies = mine.setdefault((line.pool, line.signal), {})
            for window, span in held:
                good, bad, cancelled = self._increase(place, span)
                tallies[window] = _with(tallies.get(window), line, good, bad, cancelled)
        return Measurement(
            at=EPOCH + timedelta(seconds=t),
            rules={
                rule: RuleMeasurement(
                    cells=tuple(
                        Cell(pool=pool, signal=signal, windows=tallies)
                        for (pool, signal), tallies in places.items()
                    ),
                    demand=self.demand(t, rule),
                )
                for rule, places in cells.items()
            },
            replicas={(next(iter(cells)).namespace, REPLICA): self._scrapes(t, seconds)},
            engine_loads=self._engine_loads(t, min(seconds.values())),
            scrape_interval=timedelta(seconds=self.interval),
        )

    def usage(
        self, t: float, rule: RuleKey, each: Usage, window: timedelta
    ) -> tuple[UsageCell, ...]:
        """Return what the answers of a rule used; every attempt that was decided is an answer.

        Args:
            t: the instant.
            rule: the rule.
            each: what one answer uses.
            window: how far back.
        """
        span = self._span(t, window.total_seconds())
        kinds = self._kinds.get(rule, {})
        if span is None or not kinds:
            return ()
        lines = list(self.books)
        counts = {
            lines[place].pool: sum(self._increase(place, span)[:2])
            for place in next(iter(kinds.values()))
        }
        return tuple(
            UsageCell(pool=pool, windows={window: Usage(*(n * value for value in each))})
            for pool, n in counts.items()
            if n > 0
        )

    def demand(self, t: float, rule: RuleKey, window: float = 180.0) -> float:
        """Return requests per second over all pools of a rule."""
        span = self._span(t, max(window, 2 * self.interval))
        if span is None:
            return 0.0
        first, last, factor = span
        before, after = self.counts[first], self.counts[last]
        totals = (
            sum(sum(after[place]) - sum(before[place]) for place in places)
            for places in self._kinds.get(rule, {}).values()
        )
        return max(totals, default=0) * factor / max(window, 2 * self.interval)

    def _span(self, t: float, window: float) -> Span | None:
        """Return the first and last sample of a window, and the factor of extrapolation."""
        first, last = bisect_left(self.times, t - window), bisect_right(self.times, t) - 1
        if last <= first:
            return None
        covered = self.times[last] - self.times[first]
        return first, last, min(window, covered + 1.1 * self.interval) / covered

    def _engine_loads(self, t: float, window: float) -> dict[tuple[str, str], EngineLoad]:
        first, last = bisect_left(self.times, t - window), bisect_right(self.times, t)
        namespace = next(iter(self.books)).rule.namespace
        means = {}
        for pool in dict.fromkeys(line.pool for line in self.books):
            seen = [waiting[pool] for waiting in self.waiting[first:last] if pool in waiting]
            if seen:
                means[namespace, pool] = EngineLoad(waiting=sum(seen) / len(seen))
        return means

    def _scrapes(self, t: float, spans: Mapping[timedelta, float]) -> Scrapes:
        last = bisect_right(self.times, t)
        successes = {
            w: float(last - bisect_left(self.times, t - seconds)) for w, seconds in spans.items()
        }
        newest = EPOCH + timedelta(seconds=self.times[last - 1]) if last else None
        return Scrapes(successes=successes, newest=newest)

    def _forget(self, samples: int) -> None:
        del self.times[:samples], self.counts[:samples], self.waiting[:samples]


def _with(known: Tally | None, line: Line, good: float, bad: float, cancelled: float) -> Tally:
    """Add the attempts by one threshold to what is known of a window."""
    given_up = cancelled if line.signal is Signal.TTFT else 0.0
    if known is None:
        return Tally({line.threshold: good}, {line.threshold: bad}, given_up)
    return Tally(
        {**known.good, line.threshold: good},
        {**known.bad, line.threshold: bad},
        max(known.abandoned, given_up),
    )
