"""Evidence: counts of good and bad attempts, and how much they can be trusted.

A bad fraction of few attempts is luck. A breach is therefore called on the lower end of the
one-sided 95 % Wilson score interval (Wilson 1927; Brown, Cai and DasGupta 2001 on why not Wald's):
with p the observed fraction, n the number of attempts and z = 1.645,

    lower = (p + z^2/2n - z * sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)

It rises with p and, for a fixed p, with n; 0 attempts give 0.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec, Promise
from tokenfleet.domain.slo.observation.measurement import Cell, Signal

Z: Final = 1.6448536269514722
"""95 % quantile of the normal distribution, one-sided."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Attempts of one window."""

    total: int
    bad: int

    @property
    def ratio(self) -> float:
        """Return the bad fraction; 0 without attempts."""
        return self.bad / self.total if self.total else 0.0

    @property
    def lower(self) -> float:
        """Return the least bad fraction that these counts leave plausible."""
        return wilson_lower(self.bad, self.total)


def wilson_lower(bad: int, total: int) -> float:
    """Return the lower end of the one-sided 95 % Wilson interval of bad / total."""
    if total <= 0:
        return 0.0
    p = bad / total
    spread = Z * math.sqrt(p * (1 - p) / total + Z * Z / (4 * total * total))
    return max(0.0, (p + Z * Z / (2 * total) - spread) / (1 + Z * Z / total))


def count(cells: Iterable[Cell], window: timedelta, objective: ObjectiveSpec) -> Counts:
    """Add up what an objective selects of the cells, in one window; rounded to whole attempts."""
    good = bad = 0.0
    for cell in cells:
        tally = cell.windows.get(window) if cell.signal is objective.signal else None
        if tally is not None and selects(objective, cell.feature, cell.request_type):
            good += tally.good.get(objective.threshold, 0.0)
            bad += tally.bad.get(objective.threshold, 0.0)
    return Counts(round(good) + round(bad), round(bad))


def selects(objective: Promise, feature: str, request_type: str) -> bool:
    """Tell whether an objective is about these labels."""
    return (not objective.features or feature in objective.features) and (
        not objective.request_types or request_type in objective.request_types
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One objective's proof that a pool is bad, with the numbers."""

    objective: str
    counts: Counts
    limit: float
    window: timedelta
    straight: bool = False
    """True: halving would not help, because errors do not depend on load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one objective says about one pool."""

    objective: ObjectiveSpec
    short: Counts
    long: Counts
    slow_short: Counts
    slow_long: Counts

    @classmethod
    def of(cls, cells: Iterable[Cell], objective: ObjectiveSpec) -> "Evidence":
        """Count the four windows."""
        held = tuple(cells)
        windows = objective.windows
        return cls(
            objective=objective,
            short=count(held, windows.short, objective),
            long=count(held, windows.long, objective),
            slow_short=count(held, windows.slow_short, objective),
            slow_long=count(held, windows.slow_long, objective),
        )

    def fast(self) -> Trigger | None:
        """Return the proof of a fast breach: much bad in the long window, and still now."""
        limit = self.objective.fast_limit
        return self._breach(self.long, self.short, limit, self.objective.windows.long)

    def surge(self) -> Trigger | None:
        """Return the proof of a sudden breach: the short window alone, twice as bad as fast.

        It does not wait for the long window to fill, and so acts some 20 s earlier on a pool that
        fails outright; a bad fraction near the fast limit still needs the long window.
        """
        limit = self.objective.surge_limit
        window = self.objective.windows.short
        return self._breach(self.short, self.short, limit, window)

    def slow(self) -> Trigger | None:
        """Return the proof of a slow breach: less bad, for longer."""
        limit = self.objective.slow_limit
        return self._breach(
            self.slow_long, self.slow_short, limit, self.objective.windows.slow_long
        )

    def probe_bad(self) -> Trigger | None:
        """Return the proof that the pool is bad now, by the short window alone."""
        enough = self.short.total >= self.objective.min_total
        limit = self.objective.slow_limit
        if not enough or self.short.lower <= limit:
            return None
        return self._trigger(self.short, limit, self.objective.windows.short)

    def over_budget(self) -> Trigger | None:
        """Return the proof that the long window spends more than the budget, however little more.

        Not a breach: it is asked only of shares that the loop chose, which have no business being
        over at all. Errors are not asked: they do not depend on load, and so not on the share.
        """
        if self.objective.signal is Signal.ERRORS:
            return None
        limit = self.objective.budget
        return self._breach(self.long, self.long, limit, self.objective.windows.long)

    @property
    def sufficient(self) -> bool:
        """Tell whether the long window holds enough attempts for a judgement."""
        return self.long.total >= self.objective.min_total

    @property
    def healthy(self) -> bool:
        """Tell whether the objective is met; with too few attempts, whether at most one was bad."""
        if self.sufficient:
            return self.long.ratio <= self.objective.budget
        return self.long.bad <= 1

    def _breach(self, held: Counts, now: Counts, limit: float, window: timedelta) -> Trigger | None:
        enough = held.total >= self.objective.min_total and held.bad >= self.objective.min_bad
        if not enough or held.lower <= limit or now.ratio <= limit:
            return None
        return self._trigger(held, limit, window)

    def _trigger(self, counts: Counts, limit: float, window: timedelta) -> Trigger:
        objective = self.objective
        return Trigger(
            objective=objective.name,
            counts=counts,
            limit=limit,
            window=window,
            straight=objective.signal is Signal.ERRORS,
        )
