"""What a Prometheus would say of the simulated pools: scrapes, windows, extrapolation, outages."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from tokenfleet.domain.slo.observation.measurement import (
    Cell,
    EngineLoad,
    Measurement,
    RuleKey,
    RuleMeasurement,
    Scrapes,
    Tally,
)

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
RULE: Final = RuleKey("simulation", "chat", "all")
REPLICA: Final = ("simulation", "router")


@dataclass(slots=True, kw_only=True)
class Store:
    """Scrapes of cumulative counts."""

    pools: tuple[str, ...]
    threshold: timedelta
    interval: float
    lag: float = 2.0
    """Seconds until a decided attempt can be scraped."""
    times: list[float] = field(default_factory=list)
    counts: list[dict[str, tuple[int, int]]] = field(default_factory=list)
    waiting: list[Mapping[str, float]] = field(default_factory=list)
    """What engines said at each scrape: requests that wait for each of them, by pool."""
    ready: dict[str, int] = field(default_factory=lambda: {"primary": 1, "fallback": 1})
    """What Kubernetes says at the same time: ready replicas by pool."""
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    _up_to: int = -1

    def scrape(
        self,
        t: float,
        decided: Mapping[str, tuple[Mapping[int, int], Mapping[int, int]]],
        waiting: Mapping[str, float] | None = None,
    ) -> None:
        """Take one sample of every pool's (good, bad) counters, and of what its engines say."""
        now = int(t - self.lag)
        for pool, (good, bad) in decided.items():
            g, b = self._seen.get(pool, (0, 0))
            seconds = range(self._up_to + 1, now + 1)
            g += sum(good.get(s, 0) for s in seconds)
            b += sum(bad.get(s, 0) for s in seconds)
            self._seen[pool] = (g, b)
        self._up_to = max(self._up_to, now)
        self.times.append(t)
        self.counts.append(dict(self._seen))
        self.waiting.append(waiting or {})

    def increase(self, pool: str, t: float, window: float) -> tuple[float, float] | None:
        """Return (good, bad) as `increase` would, or None with fewer than two samples."""
        first, last = bisect_left(self.times, t - window), bisect_right(self.times, t) - 1
        if last <= first:
            return None
        covered = self.times[last] - self.times[first]
        factor = min(window, covered + 1.1 * self.interval) / covered
        before = self.counts[first].get(pool, (0, 0))
        after = self.counts[last].get(pool, (0, 0))
        return (after[0] - before[0]) * factor, (after[1] - before[1]) * factor

    def measure(self, t: float, windows: Iterable[timedelta]) -> Measurement:
        """Return what one tick would measure."""
        spans = {window: window.total_seconds() for window in windows}
        cells = []
        for pool in self.pools:
            found = {w: self.increase(pool, t, seconds) for w, seconds in spans.items()}
            tallies = {
                w: Tally({self.threshold: pair[0]}, {self.threshold: pair[1]})
                for w, pair in found.items()
                if pair is not None
            }
            cells.append(Cell(pool=pool, windows=tallies))
        return Measurement(
            at=EPOCH + timedelta(seconds=t),
            rules={RULE: RuleMeasurement(cells=tuple(cells), demand=self.demand(t))},
            replicas={REPLICA: self._scrapes(t, spans)},
            engine_loads=self._engine_loads(t, min(spans.values())),
            scrape_interval=timedelta(seconds=self.interval),
        )

    def demand(self, t: float, window: float = 180.0) -> float:
        """Return requests per second over both pools."""
        pairs = [self.increase(pool, t, window) for pool in self.pools]
        return sum(sum(pair) for pair in pairs if pair is not None) / window

    def _engine_loads(self, t: float, window: float) -> dict[tuple[str, str], EngineLoad]:
        first, last = bisect_left(self.times, t - window), bisect_right(self.times, t)
        means = {}
        for pool in self.pools:
            seen = [waiting[pool] for waiting in self.waiting[first:last] if pool in waiting]
            if seen:
                means[RULE.namespace, pool] = EngineLoad(waiting=sum(seen) / len(seen))
        return means

    def _scrapes(self, t: float, spans: Mapping[timedelta, float]) -> Scrapes:
        last = bisect_right(self.times, t)
        successes = {
            w: float(last - bisect_left(self.times, t - seconds)) for w, seconds in spans.items()
        }
        newest = EPOCH + timedelta(seconds=self.times[last - 1]) if last else None
        return Scrapes(successes=successes, newest=newest)
