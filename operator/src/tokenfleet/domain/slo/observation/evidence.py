"""Evidence: what the attempts on one pool prove about one objective, at any rate of traffic.

Attempts are counted in windows of doubling length, and only in those that lie wholly after the last
change of share: a window that reaches further back would judge the old share. A window is judged if

- it is measured now, with enough scrapes (data_state.py);
- its older half holds attempts too: a window that is longer than the traffic says no more than its
  half, and would take a short excess for a long one;
- the shortest window with attempts is still as bad: what is over is no reason to act.

It proves the pool *bad* when its bad fraction is large enough to matter (`ObjectiveSpec.limit`) and
the counts weigh enough against the budget being kept (bounds.py), and *well* when they weigh enough
against half the way back to how bad it was; with nothing but silence neither is proved.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from typing import Final

from tokenfleet.domain.slo.objectives.spec import (
    BREACH_EXCESS,
    PROBE_EXCESS,
    QUARTERS,
    ObjectiveSpec,
    Promise,
)
from tokenfleet.domain.slo.observation.bounds import (
    COMPARED_WEIGHT,
    HEALTH_WEIGHT,
    LIKELY,
    PROBE_WEIGHT,
    least,
    looks_weight,
    weight,
)
from tokenfleet.domain.slo.observation.dispersion import DOUBT, PRIOR, Slot, dispersion
from tokenfleet.domain.slo.observation.measurement import NO_SLOTS, Cell, Signal, Slots

EVER: Final = timedelta.max
"""Age of a share that was never changed."""
STILL: Final = 0.75
"""Part of a window's bad fraction that must be seen now for the cause not to be over."""
SEEN_NOW: Final = 5
"""Fewest attempts that say what is now."""
OLDER_HALF: Final = 0.125
"""Least part of its attempts that the older half of a window must hold."""
PRIOR_ATTEMPTS: Final = 4.0
"""Weight of what was known before in a comparison of two pools, in attempts."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Attempts of one window."""

    total: int
    bad: int

    @property
    def ratio(self) -> float:
        """Return the bad fraction; 0 without attempts."""
        return self.bad / self.total if self.total else 0.0

    def plus(self, bad: int) -> "Counts":
        """Return the counts with so many more bad attempts."""
        return Counts(self.total + bad, self.bad + bad) if bad else self


NONE: Final = Counts(0, 0)
Hung = dict[timedelta, int]
"""Window -> attempts that were given up."""


def count(cells: Iterable[Cell], window: timedelta, objective: ObjectiveSpec) -> Counts:
    """Add up what an objective selects of the cells, in one window; rounded to whole attempts."""
    return added(selected(cells, objective), window, objective.threshold)


def selected(cells: Iterable[Cell], objective: ObjectiveSpec) -> tuple[Cell, ...]:
    """Return the cells that an objective is about."""
    return tuple(
        cell
        for cell in cells
        if cell.signal is objective.signal and selects(objective, cell.feature, cell.request_type)
    )


def added(cells: Iterable[Cell], window: timedelta, threshold: timedelta) -> Counts:
    """Add up the attempts of cells by one threshold, in one window; rounded to whole ones."""
    good = bad = 0.0
    for cell in cells:
        tally = cell.windows.get(window)
        if tally is not None:
            good += tally.good.get(threshold, 0.0)
            bad += tally.bad.get(threshold, 0.0)
    return Counts(round(good) + round(bad), round(bad))


def hung(cells: Iterable[Cell], windows: Iterable[timedelta], objective: ObjectiveSpec) -> Hung:
    """Return the attempts that were given up on a pool which answers nobody, by window.

    Where not one first token comes in a window, those who give up do so because of that. But only
    where the pool has answered before: a client that always gives up says nothing about it.

    Args:
        cells: those of one pool that the objective selects.
        windows: those to look at.
        objective: what is asked.
    """
    mine, held = tuple(cells), tuple(windows)
    key = (objective.windows.short, objective.threshold)

    def good(cell: Cell, window: timedelta) -> float:
        tally = cell.windows.get(window)
        return tally.good.get(objective.threshold, 0.0) if tally is not None else 0.0

    if not any(tally.abandoned for cell in mine for tally in cell.windows.values()):
        return {}
    answered = {w for w in held if any(good(cell, w) >= 1 for cell in mine)}
    if not answered and not any(any(cell.slots.get(key, NO_SLOTS).good) for cell in mine):
        return {}
    return {
        w: round(sum(cell.windows[w].abandoned for cell in mine if w in cell.windows))
        for w in held
        if w not in answered
    }


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
    lower: float
    """Least bad fraction that the counts leave plausible."""
    dispersion: float = 1.0
    """Attempts that made one independent one before."""
    severe: bool = True
    """So much is bad that half of the share should go at once."""
    straight: bool = False
    """True: halving would not help, because errors do not depend on load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one objective says about one pool."""

    objective: ObjectiveSpec
    windows: Mapping[timedelta, Counts]
    """Those that were measured, and scraped well enough, now."""
    slots: tuple[Slots, ...] = ()
    """What came before, in slots of the shortest window, of each cell."""
    interval: timedelta = timedelta(0)
    """Between two scrapes."""

    @classmethod
    def of(
        cls,
        cells: Iterable[Cell],
        objective: ObjectiveSpec,
        *,
        covered: Iterable[timedelta] | None = None,
        interval: timedelta = timedelta(0),
    ) -> "Evidence":
        """Count every window that was measured.

        Args:
            cells: those of one pool.
            objective: what is asked.
            covered: windows that were scraped well enough; None: all.
            interval: between two scrapes.
        """
        held = tuple(cell for cell in cells if cell.signal is objective.signal)
        measured = {window for cell in held for window in cell.windows}
        wanted = {*objective.windows.evidence, objective.windows.long} & measured
        if covered is not None:
            wanted &= set(covered)
        mine = selected(held, objective)
        key, more = (objective.windows.short, objective.threshold), hung(mine, wanted, objective)
        return cls(
            objective=objective,
            windows={
                window: added(mine, window, objective.threshold).plus(more.get(window, 0))
                for window in sorted(wanted)
            },
            slots=tuple(cell.slots.get(key, NO_SLOTS) for cell in mine),
            interval=interval,
        )

    @property
    def long(self) -> Counts:
        """Return the counts of the window that is reported."""
        return self.windows.get(self.objective.windows.long, NONE)

    @property
    def short(self) -> Counts:
        """Return the counts of the shortest window."""
        return self.windows.get(self.objective.windows.short, NONE)

    @property
    def seen(self) -> bool:
        """Tell whether there was any attempt in any window."""
        return any(counts.total for counts in self.windows.values())

    @property
    def sufficient(self) -> bool:
        """Tell whether the reported window holds as many attempts as the objective asks for."""
        return self.long.total >= self.objective.min_total

    def breach(self, age: timedelta = EVER) -> Trigger | None:
        """Return the proof of a breach, out of the blue: with luck once in `QUIET`.

        Args:
            age: how long the present share has been in effect.
        """
        windows = self.objective.windows.evidence
        for window in self._judged(age):
            nats = looks_weight(window, windows=len(windows), quarters=QUARTERS)
            limit = self.objective.limit(window, BREACH_EXCESS)
            # How much counts vary is only asked where they would be a proof: it takes long to tell.
            if self._bad(window, limit, nats) and self._bad(
                window, limit, nats * self._dispersion(window, doubt=DOUBT)
            ):
                return self._trigger(window, limit, self._dispersion(window, prior=1.0))
        return None

    def still_bad(self, age: timedelta = EVER, *, phi: float | None = 1.0) -> Trigger | None:
        """Return the proof that a pool is bad which is under suspicion: less is needed.

        Args:
            age: how long the present share has been in effect.
            phi: attempts that make one independent one; None: as what came before shows.
        """
        for window in self._judged(age):
            limit = self.objective.limit(window, PROBE_EXCESS)
            if not self._bad(window, limit, PROBE_WEIGHT * (phi or 1.0)):
                continue
            found = phi or self._dispersion(window)
            if self._bad(window, limit, PROBE_WEIGHT * found):
                return self._trigger(window, limit, found)
        return None

    def well_for(self, age: timedelta, *, level: float, phi: float = 1.0) -> timedelta:
        """Return the longest window that proves the pool better than half as bad as it was.

        Args:
            age: how long the present share has been in effect.
            level: the bad fraction that was proven; what is shown is that it is below the middle
                between that and the budget.
            phi: attempts that make one independent one.

        Returns:
            0 where nothing is proved; silence proves nothing.
        """
        middle = (self.objective.budget + level) / 2
        longest = self.objective.windows.evidence[-1]
        proofs = [
            window
            for window in {*self._judged(age), *self._reported(age)}
            if 0 < (counts := self.windows[window]).total > counts.bad
            and counts.ratio < middle
            and (
                self._weight(window, middle) >= HEALTH_WEIGHT * phi
                # More than the longest window will never be known.
                or (window == longest and counts.total >= SEEN_NOW)
            )
        ]
        return max(proofs, default=timedelta(0))

    def doubtful(self, age: timedelta, *, phi: float = 1.0) -> bool:
        """Tell whether the present share shows signs of being bad: no time to send more."""
        budget = self.objective.budget
        return any(
            self.windows[window].ratio > budget
            and self._weight(window, budget) >= COMPARED_WEIGHT * phi
            for window in self._judged(age)
        )

    def judged_for(self, age: timedelta) -> timedelta:
        """Return the longest window that judges the present share; 0: none does."""
        return max(self._judged(age), default=timedelta(0))

    def since_change(self, age: timedelta) -> Counts:
        """Return the counts of the longest window that judges the present share."""
        return max(
            (self.windows[window] for window in self._judged(age)),
            key=lambda counts: counts.total,
            default=NONE,
        )

    def estimate(self, age: timedelta, before: float) -> float:
        """Return the bad fraction at the present share, drawn to what was known before."""
        counts = self.since_change(age)
        return (counts.bad + PRIOR_ATTEMPTS * before) / (counts.total + PRIOR_ATTEMPTS)

    def at_least(self, age: timedelta) -> float:
        """Return the bad fraction at the present share that the counts leave plausible."""
        counts = self.since_change(age)
        return least(counts.bad, counts.total, COMPARED_WEIGHT)

    def at_most(self, age: timedelta, *, unseen: float | None = None) -> float:
        """Return the bad fraction at the present share that the counts leave plausible at most.

        Args:
            age: how long the present share has been in effect.
            unseen: what is supposed where next to nothing was seen; None: the budget.
        """
        counts = self.since_change(age)
        if counts.total < SEEN_NOW:
            return self.objective.budget if unseen is None else unseen
        return 1.0 - least(counts.total - counts.bad, counts.total, COMPARED_WEIGHT)

    def _judged(self, age: timedelta) -> Iterator[timedelta]:
        """Yield the windows that judge a share of this age, the shortest first."""
        late = self.objective.threshold
        for window in self.objective.windows.evidence:
            if window not in self.windows or (age != EVER and age < window + late):
                continue
            half = self.windows.get(window / 2)
            counts = self.windows[window]
            if half is None or counts.total - half.total >= OLDER_HALF * counts.total:
                yield window

    def _reported(self, age: timedelta) -> Iterator[timedelta]:
        """Yield the window that every tick measures, where it judges a share of this age."""
        long = self.objective.windows.long
        if long in self.windows and (age == EVER or age >= long + self.objective.threshold):
            yield long

    def _bad(self, window: timedelta, limit: float, nats: float) -> bool:
        counts, slo = self.windows[window], self.objective
        if counts.total < slo.min_total or counts.bad < slo.min_bad or counts.ratio < limit:
            return False
        if self._now(window).ratio < STILL * counts.ratio:
            return False
        return self._weight(window, slo.budget) >= nats

    def _weight(self, window: timedelta, q: float) -> float:
        """Return the weight against q, of the attempts that were not extrapolated."""
        counts = self.windows[window]
        return weight(counts.bad, counts.total, q) * (1 - min(0.5, self.interval / window))

    def _now(self, window: timedelta) -> Counts:
        """Return the shortest window with attempts; the judged one where there is none shorter."""
        shorter = (self.windows[w] for w in sorted(self.windows) if w <= window)
        return next((c for c in shorter if c.total >= SEEN_NOW), self.windows[window])

    def _trigger(self, window: timedelta, limit: float, phi: float) -> Trigger:
        counts = self.windows[window]
        return Trigger(
            objective=self.objective.name,
            counts=counts,
            limit=limit,
            window=window,
            lower=least(counts.bad, counts.total, LIKELY * phi),
            dispersion=phi,
            severe=counts.ratio >= self.objective.fast_limit,
            straight=self.objective.signal is Signal.ERRORS,
        )

    def _dispersion(self, window: timedelta, *, doubt: float = 0.0, prior: float = PRIOR) -> float:
        slots = round(window / self.objective.windows.short)
        return dispersion(self._summed(), slots, doubt=doubt, prior=prior)

    def _summed(self) -> list[Slot]:
        """Return (good, bad) of what came before, newest first, over all cells."""
        if not self.slots:
            return []
        length = max(len(slots.bad) for slots in self.slots)

        def whole(values: tuple[int, ...]) -> tuple[int, ...]:
            return values + (0,) * (length - len(values))

        good = reduce(_plus, (whole(slots.good) for slots in self.slots))
        bad = reduce(_plus, (whole(slots.bad) for slots in self.slots))
        return [(float(g), float(b)) for g, b in zip(good, bad, strict=True)]


def _plus(some: tuple[int, ...], more: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(some, more, strict=True))
