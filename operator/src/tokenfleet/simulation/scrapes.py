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
)
from tokenfleet.simulation.pools import Attempt

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
REPLICA: Final = "router"
"""The only replica of the router."""
TOKENS: Final = 250
"""Tokens of an answer after its first one, for what is promised of each."""
KEPT: Final = 3.0 * 3600
"""Least seconds of scrapes that are kept; no window is longer."""


class Seen(NamedTuple):
    """Attempts of one pool by one signal and threshold, as a counter."""

    good: int = 0
    bad: int = 0
    cancelled: int = 0
    """Given up by their clients before the first token and the threshold."""


NONE: Final = Seen()


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
        if self.line.signal is Signal.TTFT:
            after, verdict = self._by_first_token(attempt)
        else:
            after, verdict = self._by_end(attempt)
        if after != math.inf:
            self.add(math.ceil(t + after), verdict)
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
            found = [self.seconds.pop(second) for second in due]
            good, bad, cancelled = (sum(part) for part in zip(*found, strict=True))
            mine = self.total
            self.total = Seen(mine.good + good, mine.bad + bad, mine.cancelled + cancelled)
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
    counts: list[dict[Line, Seen]] = field(default_factory=list)
    waiting: list[Mapping[str, float]] = field(default_factory=list)
    """What engines said at each scrape: requests that wait for each of them, by pool."""
    ready: dict[str, int] = field(default_factory=dict)
    """What Kubernetes says at the same time: ready replicas by pool."""

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

    def scrape(self, t: float, waiting: Mapping[str, float] | None = None) -> None:
        """Take one sample of every counter, and of what engines say."""
        now = int(t - self.lag) + 1
        self.times.append(t)
        self.counts.append({line: book.take(now) for line, book in self.books.items()})
        self.waiting.append(waiting or {})
        if self.times[len(self.times) // 2] < t - KEPT:
            self._forget(len(self.times) // 2)

    def increase(self, line: Line, t: float, window: float) -> tuple[float, float] | None:
        """Return (good, bad) as `increase` would, or None with fewer than two samples."""
        found = self._increase(line, t, window)
        return found[:2] if found is not None else None

    def _increase(self, line: Line, t: float, window: float) -> tuple[float, float, float] | None:
        """Return (good, bad, given up)."""
        span = self._span(t, window)
        if span is None:
            return None
        first, last, factor = span
        before, after = self.counts[first][line], self.counts[last][line]
        return (
            (after.good - before.good) * factor,
            (after.bad - before.bad) * factor,
            (after.cancelled - before.cancelled) * factor,
        )

    def measure(self, t: float, windows: Iterable[timedelta]) -> Measurement:
        """Return what one tick would measure."""
        spans = {window: window.total_seconds() for window in windows}
        cells: dict[RuleKey, dict[tuple[str, Signal], dict[timedelta, Tally]]] = {}
        for line in self.books:
            if line.rule in self.unjudged:
                cells.setdefault(line.rule, {})
                continue
            place = cells.setdefault(line.rule, {}).setdefault((line.pool, line.signal), {})
            for window, seconds in spans.items():
                found = self._increase(line, t, seconds)
                if found is not None:
                    known = place.get(window, Tally({}, {}))
                    place[window] = Tally(
                        {**known.good, line.threshold: found[0]},
                        {**known.bad, line.threshold: found[1]},
                        max(known.abandoned, found[2]) if line.signal is Signal.TTFT else 0.0,
                    )
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
            replicas={(next(iter(cells)).namespace, REPLICA): self._scrapes(t, spans)},
            engine_loads=self._engine_loads(t, min(spans.values())),
            scrape_interval=timedelta(seconds=self.interval),
        )

    def demand(self, t: float, rule: RuleKey, window: float = 180.0) -> float:
        """Return requests per second over all pools of a rule."""
        span = self._span(t, max(window, 2 * self.interval))
        if span is None:
            return 0.0
        first, last, factor = span
        totals: dict[tuple[Signal, timedelta], int] = {}
        for line, after in self.counts[last].items():
            if line.rule == rule:
                kind = (line.signal, line.threshold)
                totals[kind] = totals.get(kind, 0) + sum(after) - sum(self.counts[first][line])
        return max(totals.values(), default=0) * factor / max(window, 2 * self.interval)

    def _span(self, t: float, window: float) -> tuple[int, int, float] | None:
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
