"""The books of one objective on one rule: what was recorded, and what a shift might have changed.

Recorded attempts are exact up to Prometheus' extrapolation: each tick takes its part of the short
window. The estimate is another matter. After the first shift the recorded latency of the primary no
longer applies, so two ends are given and nothing in between is claimed:

    lower end   the shift improves nothing: what is moved stays as bad as it was
    upper end   what is moved is as bad as the fallback's own attempts were, over all of the range

Neither end knows what load does: a primary with less of it gets better, a fallback with more of it
gets worse, and a shift back that came too early would have been taken back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from tokenfleet.backtest.replay import LoopKey, Replay, Seen
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.domain.slo.observation.data_state import DataState
from tokenfleet.domain.slo.observation.evidence import Counts, Evidence
from tokenfleet.domain.slo.observation.measurement import RuleKey


class Shifted(NamedTuple):
    """One tick of one rule while the replay has something shifted."""

    total: float
    """Attempts of the rule."""
    bad: float
    moved: Mapping[tuple[str, str], float]
    """(primary, fallback) -> attempts that would have gone the other way; below 0: back."""
    rates: Mapping[str, float]
    """Primary -> its bad fraction as recorded."""


class Interval(NamedTuple):
    """An estimate."""

    lower: float
    upper: float


@dataclass(slots=True, kw_only=True)
class Books:
    """One objective on one rule, over time; feed it every tick."""

    objective: ObjectiveSpec
    rule: RuleKey
    every: timedelta
    attempts: float = 0.0
    bad: float = 0.0
    violating: float = 0.0
    """Seconds beyond the budget."""
    pools: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Pool -> (attempts, bad) as recorded."""
    shifted: list[Shifted] = field(default_factory=list)
    bad_since: dict[str, datetime] = field(default_factory=dict)
    """Pool -> first tick of the present stretch beyond the budget."""
    latest: dict[str, float] = field(default_factory=dict)
    """Pool -> bad fraction of the newest short window."""
    starts: dict[str, datetime] = field(default_factory=dict)
    """Identifier of a move -> first tick of the stretch that its primary was in."""

    def tick(self, replay: Replay, seen: Seen, data: DataState) -> None:
        """Enter one tick, after the replay has decided it."""
        cells = seen.measurement.rule(self.rule).cells
        if not data.known:
            return
        part = self.every / self.objective.windows.short
        found = {
            pool: Evidence.of([c for c in cells if c.pool == pool], self.objective).short
            for pool in sorted({cell.pool for cell in cells})
        }
        total = part * sum(counts.total for counts in found.values())
        bad = part * sum(counts.bad for counts in found.values())
        self.attempts += total
        self.bad += bad
        if bad > self.objective.budget * total:
            self.violating += self.every.total_seconds()
        self.latest = {pool: counts.ratio for pool, counts in found.items()}
        for pool, counts in found.items():
            held = self.pools.get(pool, (0.0, 0.0))
            self.pools[pool] = (held[0] + part * counts.total, held[1] + part * counts.bad)
            self._stretch(pool, counts, seen.measurement.at)
        for key, track in replay.tracks.items():
            if self.concerns(key) and track.moves and key.primary in self.bad_since:
                self.starts.setdefault(track.moves[-1].id, self.bad_since[key.primary])
        moved, rates = self._moved(replay, seen, found)
        if moved:
            self.shifted.append(
                Shifted(total, bad, {pair: part * n for pair, n in moved.items()}, rates)
            )

    def avoided(self) -> Interval | None:
        """Return bad attempts that the shifts would have avoided; None: no fallback was observed.

        Below 0 the shift does harm: the fallback's own attempts were worse.
        """
        gains = self._gains()
        if gains is None:
            return None
        total = sum(gains)
        return Interval(min(0.0, total), max(0.0, total))

    def violating_with(self) -> Interval | None:
        """Return the seconds beyond the budget with the shifts; None: no fallback was observed."""
        gains = self._gains()
        if gains is None:
            return None
        after = self.violating
        for tick, gain in zip(self.shifted, gains, strict=True):
            limit = self.objective.budget * tick.total
            now, then = tick.bad > limit, tick.bad - gain > limit
            after += (then - now) * self.every.total_seconds()
        return Interval(min(after, self.violating), max(after, self.violating))

    @property
    def moved(self) -> float:
        """Return the attempts that would have been elsewhere."""
        return sum(abs(n) for tick in self.shifted for n in tick.moved.values())

    def _gains(self) -> list[float] | None:
        """Return, per shifted tick, the bad attempts fewer at the upper end."""
        gains = []
        for tick in self.shifted:
            gain = 0.0
            for (primary, fallback), moved in tick.moved.items():
                attempts, bad = self.pools.get(fallback, (0.0, 0.0))
                if attempts < self.objective.min_total:
                    return None
                gain += moved * (tick.rates[primary] - bad / attempts)
            gains.append(gain)
        return gains

    def _stretch(self, pool: str, counts: Counts, at: datetime) -> None:
        if counts.ratio > self.objective.budget:
            self.bad_since.setdefault(pool, at)
        else:
            self.bad_since.pop(pool, None)

    def _moved(
        self, replay: Replay, seen: Seen, found: Mapping[str, Counts]
    ) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
        """Return the attempts of the short window that the replay would have moved, by pools."""
        recorded = seen.shares.get(self.rule)
        moved: dict[tuple[str, str], float] = {}
        rates: dict[str, float] = {}
        for key, track in replay.tracks.items():
            own = found.get(key.primary)
            if not self.concerns(key) or not track.held.shifted or own is None or not own.total:
                continue
            written = replay.written(key)
            share = recorded.get(key.primary, 0.0) if recorded is not None else written
            kept = min(1.0, share / written) if written else 0.0
            if kept <= 0:
                continue
            moved[key.primary, track.held.fallback] = own.total * (kept - track.held.w) / kept
            rates[key.primary] = own.ratio
        return moved, rates

    def concerns(self, key: LoopKey) -> bool:
        """Tell whether a loop answers to this objective."""
        if key.rule != self.rule or key.level:
            return False
        return key.objective == ("" if self.objective.shifts else self.objective.name)
