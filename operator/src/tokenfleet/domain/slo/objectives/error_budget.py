"""Error budgets over weeks, and who spent them.

An objective with the target T may spend B = 1 - T of its attempts in a window of weeks. The window
is cut into slots of equal length on a fixed grid; what happened in a slot that is over does not
change any more, so it is asked for once and kept. A window is then as many whole slots as fit and
the slot that is running; its length is right to within one slot.

    now - window                                          now
         |    |    |    |    |    |    |    |    |    |    |
              [ whole slots, each asked for once ][ running ]

A slot of which Prometheus has no series at all is not covered: it may have forgotten, or not have
been there. What remains is then said of the part that is covered, and the part is said too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.domain.slo.observation.evidence import selects
from tokenfleet.domain.slo.observation.measurement import Cell, RuleKey

SLOTS: Final = 48
"""Slots of a window: 14 h for four weeks. More are asked for longer after a start, fewer make the
window's length coarser."""
BURNERS: Final = 5
"""Most burners that are named; people mend the first one first."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Burner(NamedTuple):
    """A rule and a feature that spent a part of the budget."""

    rule: str
    feature: str
    bad: int
    part: float
    """Of all bad attempts; 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is left of an objective's budget over its window."""

    remaining: float
    """Part of the budget that is left: 1 is untouched, 0 is spent, below 0 is overspent."""
    total: int
    bad: int
    covered: float
    """Part of the window that was measured; 0..1."""
    burners: tuple[Burner, ...]
    """Who spent most, most first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Attempts of one slot, of one objective."""

    total: float
    bad: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(rule, feature) -> bad attempts; those without any are absent."""


def slot_length(window: timedelta) -> timedelta:
    """Return the length of a slot, in whole seconds."""
    return timedelta(seconds=max(1, round(window.total_seconds() / SLOTS)))


def running(window: timedelta, now: datetime) -> int:
    """Return the number of the slot that is running."""
    return (now - _EPOCH) // slot_length(window)


def start_of(window: timedelta, slot: int) -> datetime:
    """Return when a slot starts."""
    return _EPOCH + slot * slot_length(window)


def over(window: timedelta, now: datetime) -> range:
    """Return the numbers of the slots of a window that are over, newest first."""
    newest = running(window, now) - 1
    return range(newest, newest - SLOTS + 1, -1)


def spent(objective: ObjectiveSpec, cells: Mapping[RuleKey, Iterable[Cell]]) -> Spent | None:
    """Count what an objective is about; None where there is no series of it, or a broken one.

    Each cell holds one window only, the slot.
    """
    mine = [
        (key.rule, cell)
        for key, found in cells.items()
        if key[:2] == (objective.namespace, objective.route) and objective.rule in {None, key.rule}
        for cell in found
        if cell.signal is objective.signal and selects(objective, cell.feature, cell.request_type)
    ]
    if not mine or any(cell.broken for _, cell in mine):
        return None
    total, bad = 0.0, dict[tuple[str, str], float]()
    for rule, cell in mine:
        for tally in cell.windows.values():
            good = tally.good.get(objective.threshold, 0.0)
            failed = tally.bad.get(objective.threshold, 0.0)
            total += good + failed
            if failed > 0:
                bad[rule, cell.feature] = bad.get((rule, cell.feature), 0.0) + failed
    return Spent(total=total, bad=bad)


def budget(objective: ObjectiveSpec, slots: Iterable[Spent | None]) -> Budget | None:
    """Return what is left, of all slots of a window; None where nothing was measured."""
    known = [slot for slot in slots if slot is not None]
    if not known:
        return None
    total = sum(slot.total for slot in known)
    by: dict[tuple[str, str], float] = {}
    for slot in known:
        for who, bad in slot.bad.items():
            by[who] = by.get(who, 0.0) + bad
    failed = sum(by.values())
    worst = sorted(by.items(), key=lambda item: (-item[1], item[0]))[:BURNERS]
    return Budget(
        remaining=1.0 - failed / (objective.budget * total) if total > 0 else 1.0,
        total=round(total),
        bad=round(failed),
        covered=min(1.0, len(known) / SLOTS),
        burners=tuple(
            Burner(rule, feature, round(bad), bad / failed) for (rule, feature), bad in worst
        ),
    )
