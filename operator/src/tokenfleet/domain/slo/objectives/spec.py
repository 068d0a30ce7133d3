"""Objectives: what a TokenSLO promises, in the numbers that the control loop works with.

Words and formulas follow the SRE workbook, chapter 5: with the target T the error budget is
B = 1 - T, and the burn rate of a window is its bad fraction divided by B. The largest possible burn
rate is 1/B, 20 for a p95 objective, so the workbook's page threshold of 14.4 would ask for 72 % bad
and notice a total breach after most of an hour. The limits here are therefore capped:

    ==========  =====================  =======================
    target      fast limit (fraction)  slow limit (fraction)
    ==========  =====================  =======================
    99.9 %      1.44 %                 0.6 %
    99 %        14.4 %                 6 %
    95 %, 90 %  25 %                   12.5 %
    80 %        40 %                   25 %
    50 %        75 %                   62.5 %
    ==========  =====================  =======================
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache, reduce
from typing import Final, TypeVar

from tokenfleet.domain.slo.observation.measurement import Signal

FAST_BURN: Final = 14.4
"""Burn rate that spends 2 % of a 30-day budget in an hour (SRE workbook, table 5-8)."""
FAST_FRACTION: Final = 0.25
"""Cap of the fast limit. 25 % reacts twice as fast as 50 % and, with the evidence asked for, gave
no false shift in simulation; see the control-loop page before changing it."""
SLOW_BURN: Final = 6.0
"""Burn rate that spends 5 % of a 30-day budget in six hours (SRE workbook, table 5-8)."""
SLOW_FRACTION: Final = 0.125
"""Cap of the slow limit; half of the fast one."""

DOUBLINGS: Final = 7
"""The longest window of evidence is 2^7 short ones: 128 min for the default of 1 min."""
LEAST_REQUESTS: Final = 20
"""Fewest requests that have a mean, or a burn rate for people."""
QUARTERS: Final = 4
"""A window is judged this often within its own length."""
SCRAPES: Final = 4
"""Fewest scrapes in the shortest window: with fewer, one lost scrape is a third of it."""
BREACH_EXCESS: Final = 4.0
"""Short windows' worth of budget that must have been overspent before a shift is worth its cost."""
PROBE_EXCESS: Final = 1.5
"""The same for a share that the loop chose itself: it has no business being over at all."""
HOLD_WINDOWS: Final = 5
"""Shortest windows in a hold: what takes longer to be found out is tried less often."""
LEVEL_FACTOR: Final = 15
"""Window of cost and cache, in short windows: 15 min for the default of 1 min. Tokens of a request
vary by a factor of ten and more; a mean needs more of them than a fraction does."""
CLEAR_FACTOR: Final = 4
"""Window of a cost that is clearly too high, in short windows: two in a row are 8 min."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The windows of one objective: evidence in doubling lengths, and one for people."""

    short: timedelta
    """The shortest one; the others are 2, 4, 8 ... 128 times as long."""
    long: timedelta
    """Window of what is reported, of demand and of coverage."""
    wanted: tuple[timedelta, ...] = ()
    """Those that are asked for in place of all; empty: all."""
    declared: timedelta | None = None
    """The shortest one as the user wrote it, where it was too short for the scrapes."""

    @property
    def evidence(self) -> tuple[timedelta, ...]:
        """Return the windows that are judged, ascending."""
        return _doubled(self.short)

    @property
    def level(self) -> timedelta:
        """Return the window of a level objective."""
        return self.short * LEVEL_FACTOR

    @property
    def clear(self) -> timedelta:
        """Return the window in which a cost is judged that is clearly too high."""
        return self.short * CLEAR_FACTOR

    @property
    def levels(self) -> tuple[timedelta, ...]:
        """Return the windows that a level objective is measured in: each, and two in a row."""
        return self.clear, 2 * self.clear, self.level, 2 * self.level

    @property
    def all(self) -> tuple[timedelta, ...]:
        """Return the distinct windows that are asked for, ascending."""
        return self.wanted or tuple(sorted({*self.evidence, self.long}))

    def due(self, at: datetime, since: datetime | None) -> "Windows":
        """Return the windows to ask for now: the shortest, and each once per quarter of its length.

        The moments lie such that a tick of a quarter of the shortest window asks for one longer
        window at a time, and for its half beside it, so that every tick costs the same.

        Args:
            at: the instant of this tick.
            since: that of the last tick that was answered; None asks for everything.
        """
        if since is None:
            return self
        due = {self.short, self.long}
        now, then = (at - _EPOCH) // _UNIT, (since - _EPOCH) // _UNIT
        for window, half, offset, quarter in _turns(self.short):
            if (now + offset) // quarter != (then + offset) // quarter:
                due |= {window, half}
        return replace(self, wanted=tuple(sorted(due)))

    def fitted(self, scrape_interval: timedelta) -> "Windows":
        """Return windows that hold enough scrapes; these where they do."""
        least = SCRAPES * scrape_interval
        if self.wanted or self.short >= least:
            return self
        return Windows(short=least, long=max(self.long, least), declared=self.short)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNIT: Final = timedelta(microseconds=1)


@lru_cache(maxsize=64)
def _doubled(short: timedelta) -> tuple[timedelta, ...]:
    return tuple(short * 2**k for k in range(DOUBLINGS + 1))


@lru_cache(maxsize=64)
def _turns(short: timedelta) -> tuple[tuple[timedelta, timedelta, int, int], ...]:
    """Return every longer window, its half, where its quarters begin, and how long they are."""
    return tuple(
        (
            window,
            window / 2,
            window / (2 * QUARTERS) // _UNIT,
            window / QUARTERS // _UNIT,
        )
        for window in _doubled(short)[1:]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Bounds and pace of shifting; see `ShiftTraffic` of the API for each field."""

    floor: float = 0.02
    """Least w that a breach leads to; 0..1. The larger of `primaryFloor` and 1 - `maxShift`."""
    settle: timedelta = timedelta(seconds=105)
    dwell: timedelta = timedelta(seconds=210)
    hold: timedelta = timedelta(minutes=5)
    max_hold: timedelta = timedelta(hours=1)
    utilization: float = 0.85
    """Part of a fallback's capacity that shifts may fill; 0..1."""
    short: timedelta = timedelta(minutes=1)
    """Short window; scales the waits for lost replicas and for judging a recovery step."""
    idle_reset: timedelta = timedelta(minutes=15)
    stretched: bool = False
    """Windows are longer than declared, because scrapes are rare: a mistake is found out late."""

    def strictest(self, other: "Policy") -> "Policy":
        """Return the policy that satisfies both: the higher floor, the slower pace."""
        return Policy(
            floor=max(self.floor, other.floor),
            settle=max(self.settle, other.settle),
            dwell=max(self.dwell, other.dwell),
            hold=max(self.hold, other.hold),
            max_hold=max(self.max_hold, other.max_hold),
            utilization=min(self.utilization, other.utilization),
            short=max(self.short, other.short),
            idle_reset=max(self.idle_reset, other.idle_reset),
            stretched=self.stretched or other.stretched,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the control loop reads of every TokenSLO, whatever it promises."""

    namespace: str
    name: str
    route: str
    rule: str | None
    """None: all rules of the route; such an objective reports and never shifts."""
    features: frozenset[str] = frozenset()
    """Empty means all."""
    request_types: frozenset[str] = frozenset()
    """Empty means all."""
    windows: Windows
    min_total: int = 5
    max_staleness: timedelta = timedelta(minutes=2)
    min_coverage: float = 0.8
    shifts: bool = False
    """True for `onBreach.type: ShiftTraffic`."""
    policy: Policy = Policy()
    max_cost_per_hour: float | None = None
    """Most money per hour that its shifts may cost at External pools; above 0. None: no limit."""

    @property
    def key(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSpec(Promise):
    """A TokenSLO about good and bad attempts; where it only alerts, its loop runs as a shadow."""

    signal: Signal = Signal.TTFT
    threshold: timedelta
    """Longest good time, a boundary of the ladder; `NO_THRESHOLD` for errors."""
    target: float
    """Fraction of good attempts that is promised; 0.5..0.9999."""
    min_bad: int = 5
    budget_window: timedelta = timedelta(hours=672)
    """Window of the error budget."""

    @property
    def budget(self) -> float:
        """Return B = 1 - target."""
        return 1.0 - self.target

    @property
    def fast_limit(self) -> float:
        """Return the bad fraction of a fast breach.

        A capped burn rate would fall below 1 for budgets of 25 % and more, and call a breach
        while the objective is met: twice the budget, or half way to all bad, is the least.
        """
        least = min(2 * self.budget, (1 + self.budget) / 2)
        return max(min(FAST_BURN * self.budget, FAST_FRACTION), least)

    @property
    def slow_limit(self) -> float:
        """Return the bad fraction of a slow breach; 1.25 budgets at least."""
        return max(min(SLOW_BURN * self.budget, SLOW_FRACTION), 1.25 * self.budget)

    def limit(self, window: timedelta, excess: float = BREACH_EXCESS) -> float:
        """Return the bad fraction from which a window matters: long ones for less than short ones.

        A window of n short ones that is beyond `B * (1 + excess / n)` has overspent `excess` short
        windows' worth of budget, however long it is; of short ones as the user wrote them, whatever
        the scrapes made of them. At most half way from B to all bad.
        """
        part = (self.windows.declared or self.windows.short) / window
        return min(self.budget * (1 + excess * part), (1 + self.budget) / 2)


class Level(StrEnum):
    """What a level objective is about."""

    COST = "CostPerRequest"
    SPEND = "Spend"
    CACHE = "CacheHitRate"


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelObjective(Promise):
    """A TokenSLO about a mean: more than the limit is bad."""

    level: Level
    limit: float
    """Largest mean cost of a request; most money in a period; or largest part of the prompt that is
    not cached, 0..1."""
    period: timedelta = timedelta(0)
    """What the money is for, an hour or a day that begins at a whole one, UTC; 0 for others."""

    def begun(self, now: datetime) -> datetime:
        """Return when the period that runs began."""
        return now - (now - _EPOCH) % self.period

    def left(self, now: datetime) -> timedelta:
        """Return how much of it is left."""
        return self.begun(now) + self.period - now


AnyPromise = TypeVar("AnyPromise", bound=Promise)


def fitting(promise: AnyPromise, scrape_interval: timedelta) -> AnyPromise:
    """Return an objective whose windows hold at least `SCRAPES` scrapes."""
    if isinstance(promise, LevelObjective):  # its window is 15 times as long
        return promise
    windows = promise.windows.fitted(scrape_interval)
    if windows is promise.windows:
        return promise
    policy = promise.policy
    hold = min(policy.max_hold, max(policy.hold, HOLD_WINDOWS * windows.short))
    stretched = replace(policy, short=windows.short, hold=hold, stretched=True)
    return replace(promise, windows=windows, policy=stretched)


def due(promise: AnyPromise, at: datetime, since: datetime | None) -> AnyPromise:
    """Return an objective with the windows that are to be asked for now; see `Windows.due`."""
    return replace(promise, windows=promise.windows.due(at, since))


def combined(policies: Iterable[Policy]) -> Policy:
    """Return the strictest of the policies; the defaults where there is none."""
    found = list(policies)
    return reduce(Policy.strictest, found) if found else Policy()
