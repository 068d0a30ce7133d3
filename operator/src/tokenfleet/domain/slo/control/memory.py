"""Control memory: all that the loop must not forget; memory_json.py writes it.

The memory lives in `<router>-config`, beside the shares that it led to, so that one write keeps
both in step and a restart goes on where the last operator stopped. It changes only when something
happens, never because a tick passed: a quiet fleet writes nothing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

NO_OBJECTIVE: Final = "*"
"""Cause of a shift that no objective made: a pool without endpoints, or a pin. No name is `*`."""


class State(StrEnum):
    """Where the loop of one primary is."""

    NORMAL = "Normal"
    SHIFTED = "Shifted"
    RECOVERING = "Recovering"
    FROZEN = "Frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One transition, with the numbers that explain it."""

    transition: str
    at: datetime
    from_w: int
    """Thousandths of the primary's baseline before."""
    to_w: int
    """Thousandths after."""
    objective: str = ""
    """Name of the TokenSLO whose vote decided; empty where none did."""
    bad: int = 0
    total: int = 0
    limit: int = 0
    """Bad attempts per thousand that were the limit; 0 where no limit was involved."""
    window: int = 0
    """Seconds."""
    pool: str = ""
    """The fallback, or the pool that the transition is about."""
    note: str = ""
    """The numbers of a level objective, which counts nothing bad."""

    def identifier(self, place: str) -> str:
        """Return an identifier that the same decision at the same place always has."""
        text = f"{place} {self.transition} {int(self.at.timestamp())} {self.from_w} {self.to_w}"
        return hashlib.sha256(text.encode()).hexdigest()[:10]


class FallbackLimit(NamedTuple):
    """What a fallback was found not to bear."""

    rate: float
    """Requests per second of each ready replica that were too many; 0: it is bad at any load."""
    until: datetime
    """Until when that is believed; then it is tried again, with little."""
    times: int
    """How often in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopMemory:
    """The loop of one rule and one primary pool."""

    state: State = State.NORMAL
    w: float = 1.0
    """Part of the primary's baseline that it gets now; 0..1 in thousandths."""
    fallback: str = ""
    """Pool that stands in; empty while w is 1."""
    last_good: float | None = None
    """Last w that was healthy."""
    bad_at: float | None = None
    """Last w that was bad."""
    bad_rate: float | None = None
    """Requests per second of each ready replica at `bad_at`; None: not known."""
    well_rate: float | None = None
    """Requests per second of each ready replica when the last recovery was complete."""
    bad_level: float | None = None
    """Bad fraction of the primary at the last proof; 0..1."""
    dispersion: float | None = None
    """Attempts that made one independent one before the breach; at least 1."""
    parts: Mapping[str, int] = field(default_factory=dict)
    """Fallback -> thousandths of the baseline; empty where `fallback` gets all of the rest."""
    limits: Mapping[str, FallbackLimit] = field(default_factory=dict)
    """Fallback -> what it was found not to bear."""
    failures: int = 0
    """Consecutive failed recoveries (k)."""
    cause: str = ""
    """TokenSLO whose proof made the present shift, or `NO_OBJECTIVE`; empty while w is 1."""
    capacity_at_breach: int = 0
    """Ready replicas of the primary when the breach was called."""
    dwell: int = 0
    """Seconds between steps back when no objective is left to say; 0 while w is 1."""
    episodes: tuple[datetime, ...] = ()
    """Shifts of the last hour, ascending."""
    changed_at: datetime | None = None
    """When w or the fallback last changed."""
    effective_at: datetime | None = None
    """When all routers had the last change; None while they have not."""
    awaiting: bool = False
    """True: routers have not acknowledged the last change yet; its clocks have not started."""
    stable_since: datetime | None = None
    """When the last recovery was complete: probation starts."""
    ceiling_until: datetime | None = None
    freeze_until: datetime | None = None
    idle_since: datetime | None = None
    """No traffic since; kept while not Normal."""
    unknown_since: datetime | None = None
    """Nothing known since; kept while not Normal. Time from then on does not count as waited."""
    empty_since: datetime | None = None
    """The primary has had no endpoint since."""
    filled_since: datetime | None = None
    """The primary has had endpoints again since; kept while w is 0."""
    helpless: int = 0
    """Seconds of the window that proves it bad where no fallback can help; 0: it is not so."""
    last: Decision | None = None

    @property
    def shifted(self) -> bool:
        """Tell whether some of the baseline is elsewhere."""
        return self.w < 1.0

    @property
    def spread(self) -> dict[str, int]:
        """Return what each fallback gets, in thousandths of the baseline."""
        if self.parts:
            return dict(self.parts)
        return (
            {self.fallback: 1000 - round(self.w * 1000)} if self.fallback and self.shifted else {}
        )


REST: Final = LoopMemory()
"""A loop that has never done anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMemory:
    """Everything remembered about one rule."""

    loops: Mapping[str, LoopMemory] = field(default_factory=dict)
    """Primary pool -> its loop; a loop at rest may be absent."""
    shadows: Mapping[str, Mapping[str, LoopMemory]] = field(default_factory=dict)
    """TokenSLO name -> primary pool -> what the loop would be, had its vote counted."""
    blind_since: Mapping[str, datetime | None] = field(default_factory=dict)
    """TokenSLO that asks for shifts -> since when it is Unknown, None while it sees; absent where
    it has never had an attempt to judge."""
    levels: Mapping[str, LoopMemory] = field(default_factory=dict)
    """Primary pool -> how far cost and cache objectives hold it down; of the fields, `w`,
    `fallback`, `changed_at` and `last` are used."""

    def kept(self, pool: str) -> LoopMemory:
        """Return the loop of a pool with the w that counts: the smaller one of loop and level."""
        loop, level = self.loops.get(pool, REST), self.levels.get(pool, REST)
        if level.w >= loop.w:
            return loop
        return replace(loop, w=level.w, fallback=loop.fallback or level.fallback, parts={})
