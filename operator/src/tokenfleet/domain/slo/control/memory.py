"""Control memory: all that the loop must not forget, and its compact JSON.

The memory lives in `<router>-config`, beside the shares that it led to, so that one write keeps
both in step and a restart goes on where the last operator stopped. It changes only when something
happens, never because a tick passed: a quiet fleet writes nothing.

JSON: one or two letters per field, defaults left out, w in thousandths, the time of the last change
(`t`) in whole seconds since 1970 and all other times relative to it. A loop at rest is nothing at
all; a busy one takes some 200 bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

SCHEMA_VERSION: Final = 1
"""Version of the document; a reader refuses newer ones rather than guess."""


NO_OBJECTIVE: Final = "*"
"""Cause of a shift that no objective made: a pool without endpoints, or a pin. No name is `*`."""


class UnreadableMemoryError(ValueError):
    """The stored memory is damaged or newer than this operator: hold, never start from baseline."""


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
    crowded_rate: float | None = None
    """Requests per second of each ready replica that proved too many for `crowded_pool`."""
    crowded_pool: str = ""
    """The fallback that suffered; empty where none did."""
    crowded_until: datetime | None = None
    """Until when that is believed."""
    failures: int = 0
    """Consecutive failed recoveries (k)."""
    cause: str = ""
    """TokenSLO whose proof made the present shift, or `NO_OBJECTIVE`; empty while w is 1."""
    capacity_at_breach: int = 0
    """Ready replicas of the primary when the breach was called."""
    pace: int = 0
    """Seconds between steps back when no objective is left to say; 0 while w is 1."""
    episodes: tuple[datetime, ...] = ()
    """Shifts of the last hour, ascending."""
    changed_at: datetime | None = None
    """When w or the fallback last changed."""
    awaiting: bool = False
    """True: routers have not acknowledged the last change yet; its clocks have not started."""
    settle_until: datetime | None = None
    dwell_until: datetime | None = None
    healthy_since: datetime | None = None
    """Kept while Shifted."""
    stable_since: datetime | None = None
    """When the last recovery was complete: probation starts."""
    ceiling_until: datetime | None = None
    freeze_until: datetime | None = None
    idle_since: datetime | None = None
    """No traffic since; kept while not Normal."""
    unknown_since: datetime | None = None
    """Nothing known since; kept while not Normal. The clocks stand still from then on."""
    empty_since: datetime | None = None
    """The primary has had no endpoint since."""
    filled_since: datetime | None = None
    """The primary has had endpoints again since; kept while w is 0."""
    last: Decision | None = None

    @property
    def shifted(self) -> bool:
        """Tell whether some of the baseline is elsewhere."""
        return self.w < 1.0


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
        return replace(loop, w=level.w, fallback=loop.fallback or level.fallback)

    def to_json(self) -> dict[str, Any]:
        """Return the compact JSON object; empty when there is nothing to remember."""
        shadows = {name: _loops_to_json(loops) for name, loops in sorted(self.shadows.items())}
        document = {
            "l": _loops_to_json(self.loops),
            "s": {name: loops for name, loops in shadows.items() if loops},
            "v": _loops_to_json(self.levels),
            "o": {n: _seconds(at) if at is not None else 0 for n, at in self.blind_since.items()},
        }
        return {key: value for key, value in document.items() if value}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "RuleMemory":
        """Read what `to_json` wrote.

        Raises:
            UnreadableMemoryError: it is something else.
        """
        try:
            return cls(
                loops=_loops_from_json(document.get("l", {})),
                shadows={n: _loops_from_json(v) for n, v in document.get("s", {}).items()},
                levels=_loops_from_json(document.get("v", {})),
                blind_since={
                    n: _instant(at) if at else None for n, at in document.get("o", {}).items()
                },
            )
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
            msg = f"control memory cannot be read: {error}"
            raise UnreadableMemoryError(msg) from error


def encode(memory: Mapping[str, RuleMemory]) -> str:
    """Write the memory of many rules, `namespace/route/rule` -> memory; equal input, equal text."""
    rules = {key: memory[key].to_json() for key in sorted(memory)}
    document = {"v": SCHEMA_VERSION, "rules": {key: rule for key, rule in rules.items() if rule}}
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def decode(text: str) -> dict[str, RuleMemory]:
    """Read what `encode` wrote.

    Raises:
        UnreadableMemoryError: damaged, or of a newer schema. Hold; do not start from baseline.
    """
    try:
        document = json.loads(text)
        version = document["v"]
        rules = document["rules"].items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"control memory cannot be read: {error}"
        raise UnreadableMemoryError(msg) from error
    if version != SCHEMA_VERSION:
        msg = f"control memory has schema version {version}, this operator reads {SCHEMA_VERSION}"
        raise UnreadableMemoryError(msg)
    return {key: RuleMemory.from_json(rule) for key, rule in rules}


_NAMES: Final[Mapping[str, str]] = {
    "state": "s",
    "w": "w",
    "fallback": "f",
    "last_good": "lg",
    "bad_at": "ba",
    "bad_rate": "br",
    "crowded_rate": "cr",
    "crowded_pool": "cp",
    "crowded_until": "ct",
    "failures": "k",
    "cause": "by",
    "capacity_at_breach": "c",
    "pace": "p",
    "episodes": "e",
    "changed_at": "t",
    "awaiting": "a",
    "settle_until": "su",
    "dwell_until": "du",
    "healthy_since": "hs",
    "stable_since": "ss",
    "ceiling_until": "cu",
    "freeze_until": "fu",
    "idle_since": "is",
    "unknown_since": "us",
    "empty_since": "es",
    "filled_since": "fs",
    "last": "d",
}
_STATES: Final = {state.value[0]: state for state in State}
_THOUSANDTHS: Final = frozenset({"w", "last_good", "bad_at", "bad_rate", "crowded_rate"})


def _loops_to_json(loops: Mapping[str, LoopMemory]) -> dict[str, Any]:
    return {pool: _loop_to_json(loop) for pool, loop in sorted(loops.items()) if loop != REST}


def _loops_from_json(document: Mapping[str, Any]) -> dict[str, LoopMemory]:
    return {pool: _loop_from_json(loop) for pool, loop in document.items()}


def _loop_to_json(loop: LoopMemory) -> dict[str, Any]:
    base = _seconds(loop.changed_at) if loop.changed_at is not None else 0
    changed = {name: getattr(loop, name) for name in _NAMES}
    document = {
        _NAMES[name]: _pack(name, _ditto(value, loop.fallback), base)
        for name, value in changed.items()
        if value != getattr(REST, name)
    }
    document |= {_NAMES["fallback"]: loop.fallback} if loop.fallback else {}
    return document | ({_NAMES["changed_at"]: base} if base else {})


def _loop_from_json(document: Mapping[str, Any]) -> LoopMemory:
    known = {short: name for name, short in _NAMES.items()}
    base = int(document.get(_NAMES["changed_at"], 0))
    # Fields that a newer operator added under the same schema version are left alone.
    values = {known[s]: _unpack(known[s], v, base) for s, v in document.items() if s in known}
    values.pop("changed_at", None)
    fallback = values.get("fallback", "")
    values |= {name: _undo_ditto(value, fallback) for name, value in values.items()}
    return LoopMemory(**values | ({"changed_at": _instant(base)} if base else {}))


_DITTO: Final = "="
"""Stands for the name of the present fallback; no pool can be called so."""


def _ditto(value: Any, fallback: str) -> Any:
    """Leave out the name of the fallback where it is said again."""
    if isinstance(value, Decision) and fallback and value.pool == fallback:
        return replace(value, pool=_DITTO)
    return _DITTO if fallback and value == fallback else value


def _undo_ditto(value: Any, fallback: str) -> Any:
    if isinstance(value, Decision) and value.pool == _DITTO:
        return replace(value, pool=fallback)
    return fallback if value == _DITTO else value


def _pack(name: str, value: Any, base: int) -> Any:
    if name == "last":
        return _decision_to_json(value, base)
    if name == "episodes":
        return [_seconds(at) - base for at in value]
    if name in _THOUSANDTHS:
        return round(value * 1000)
    if isinstance(value, datetime):
        return _seconds(value) - base
    return value if not isinstance(value, State) else value.value[0]


def _unpack(name: str, value: Any, base: int) -> Any:  # noqa: PLR0911 - a line per kind of field
    if name == "last":
        return _decision_from_json(value, base)
    if name == "episodes":
        return tuple(_instant(at + base) for at in value)
    if name in _THOUSANDTHS:
        return int(value) / 1000
    if name == "state":
        return _STATES[value]
    if name.endswith(("_until", "_since")):
        return _instant(value + base)
    if name == "awaiting":
        return bool(value)
    return str(value) if name in {"fallback", "crowded_pool", "cause"} else int(value)


def _decision_to_json(decision: Decision, base: int) -> list[Any]:
    values = [getattr(decision, item.name) for item in fields(Decision)]
    packed = [_seconds(v) - base if isinstance(v, datetime) else v for v in values]
    while len(packed) > 1 and packed[-1] in {"", 0}:
        packed.pop()
    return packed


def _decision_from_json(document: list[Any], base: int) -> Decision:
    names = [item.name for item in fields(Decision)]
    values = {"at": 0, "from_w": 0, "to_w": 0} | dict(zip(names, document, strict=False))
    return Decision(**values | {"at": _instant(values["at"] + base)})


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _seconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(seconds=1)


def _instant(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=int(seconds))
