"""The attempts of weeks, a slot with every look, so that no query ever reads weeks.

A look asks for one slot of one *part*, the objectives with the same budget window and signal, in at
most two queries: the running slot when what is known of it is old, else the newest slot that is
over and not known yet. After a start a part is complete after 48 looks; what is known is said as it
grows. Nothing is stored: Prometheus remembers.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from tokenfleet.adapters.prometheus.cells import cells_of
from tokenfleet.adapters.prometheus.lookback import part_queries
from tokenfleet.adapters.prometheus.queries import Family
from tokenfleet.domain.freshness import is_fresh
from tokenfleet.domain.slo.objectives.error_budget import (
    SLOTS,
    Budget,
    Spent,
    budget,
    over,
    running,
    slot_length,
    spent,
    start_of,
)
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec, Policy, Windows
from tokenfleet.domain.slo.observation.measurement import Cell, RuleKey, Signal
from tokenfleet.ports import MetricSource, Sample

FRESH: Final = timedelta(minutes=5)
"""Age at which the running slot is asked for again; a quarter of a slot where that is less."""


class _Part(NamedTuple):
    window: timedelta
    signal: Signal


@dataclass(slots=True)
class _Kept:
    """What is known of one objective."""

    slots: dict[int, Spent | None] = field(default_factory=dict)
    now: Spent | None = None
    """The running slot."""
    asked_at: datetime | None = None
    """When the running slot was asked for."""


@dataclass(slots=True)
class History:
    """Asks one store, and remembers the slots that are over."""

    source: MetricSource
    _kept: dict[ObjectiveSpec, _Kept] = field(default_factory=dict)
    _names: dict[str, ObjectiveSpec] = field(default_factory=dict)
    """`namespace/name` -> the objective as `_kept` knows it."""
    _asked: dict[_Part, datetime] = field(default_factory=dict)

    async def look(self, objectives: Collection[ObjectiveSpec], at: datetime) -> None:
        """Ask for one slot, if any is wanted.

        Raises:
            PortError: the store failed; the other parts have their turn before this one.
        """
        self._names = {slo.key: _promised(slo) for slo in objectives}
        known = set(self._names.values())
        self._kept = {slo: self._kept.get(slo, _Kept()) for slo in known}
        parts: dict[_Part, list[ObjectiveSpec]] = defaultdict(list)
        for slo in sorted(known, key=lambda slo: (slo.namespace, slo.route, repr(slo))):
            parts[_Part(slo.budget_window, slo.signal)].append(slo)
        slots = {part: self._wanted(found, at) for part, found in parts.items()}
        wanted = {part: slot for part, slot in slots.items() if slot is not None}
        if not wanted:
            return
        part = min(wanted, key=lambda part: (self._asked.get(part, _NEVER), part))
        self._asked[part] = at
        await self._ask(parts[part], wanted[part], at)

    def budgets(self) -> dict[str, Budget]:
        """Return `namespace/name` -> what is left; where nothing is known, nothing."""
        found = {}
        for key, slo in self._names.items():
            kept = self._kept.get(slo, _Kept())
            left = budget(slo, [*kept.slots.values(), kept.now])
            if left is not None:
                found[key] = left
        return found

    def _wanted(self, objectives: Iterable[ObjectiveSpec], at: datetime) -> int | None:
        """Return the slot of a part to ask for next."""
        mine = [(slo, self._kept[slo]) for slo in objectives]
        window = mine[0][0].budget_window
        stale = min(FRESH, slot_length(window) / 4)
        if any(not is_fresh(kept.asked_at, at, stale) for _, kept in mine):
            return running(window, at)
        missing = (n for n in over(window, at) if any(n not in kept.slots for _, kept in mine))
        return next(missing, None)

    async def _ask(self, objectives: list[ObjectiveSpec], slot: int, at: datetime) -> None:
        window = objectives[0].budget_window
        start = start_of(window, slot)
        end = min(at, start + slot_length(window))
        cells: Mapping[RuleKey, Iterable[Cell]] = {}
        if end - start >= timedelta(seconds=1):
            rows: dict[Family, list[Sample]] = defaultdict(list)
            asked = timedelta(seconds=round((end - start).total_seconds()))
            for query in part_queries(objectives, (asked,), split=True):
                rows[query.family] += await self.source.query(query.text, at=end)
            cells = cells_of(rows)
        open_slot, oldest = running(window, at), running(window, at) - SLOTS
        for slo in objectives:
            kept = self._kept[slo]
            found = spent(slo, cells)
            if slot == open_slot:
                kept.now, kept.asked_at = found, at
            else:
                kept.slots[slot] = found
            kept.slots = {n: one for n, one in kept.slots.items() if oldest < n < open_slot}


_NEVER: Final = start_of(timedelta(hours=1), 0)


def _promised(slo: ObjectiveSpec) -> ObjectiveSpec:
    """Return an objective without what does not change its counts: new bounds keep them."""
    return replace(
        slo,
        name="",
        windows=Windows(short=timedelta(minutes=1), long=timedelta(minutes=1)),
        min_total=0,
        min_bad=0,
        max_staleness=timedelta(0),
        min_coverage=0.0,
        shifts=False,
        policy=Policy(),
    )
