"""Control memory as compact JSON.

One or two letters per field, defaults left out, w in thousandths, the time of the last change (`t`)
in whole seconds since 1970 and all other times relative to it. A loop at rest is nothing at all; a
busy one takes some 200 bytes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tokenfleet.domain.slo.control.memory import (
    REST,
    Decision,
    FallbackLimit,
    LoopMemory,
    RuleMemory,
    State,
)

SCHEMA_VERSION: Final = 1
"""Version of the document; a reader refuses newer ones rather than guess."""


class UnreadableMemoryError(ValueError):
    """The stored memory is damaged or newer than this operator: hold, never start from baseline."""


def encode(memory: Mapping[str, RuleMemory]) -> str:
    """Write the memory of many rules, `namespace/route/rule` -> memory; equal input, equal text."""
    rules = {key: rule_to_json(memory[key]) for key in sorted(memory)}
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
    return {key: rule_from_json(rule) for key, rule in rules}


def rule_to_json(rule: RuleMemory) -> dict[str, Any]:
    """Return the compact JSON object; empty when there is nothing to remember."""
    shadows = {name: _loops_to_json(loops) for name, loops in sorted(rule.shadows.items())}
    document = {
        "l": _loops_to_json(rule.loops),
        "s": {name: loops for name, loops in shadows.items() if loops},
        "v": _loops_to_json(rule.levels),
        "o": {n: _seconds(at) if at is not None else 0 for n, at in rule.blind_since.items()},
    }
    return {key: value for key, value in document.items() if value}


def rule_from_json(document: Mapping[str, Any]) -> RuleMemory:
    """Read what `rule_to_json` wrote.

    Raises:
        UnreadableMemoryError: it is something else.
    """
    try:
        return RuleMemory(
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


_NAMES: Final[Mapping[str, str]] = {
    "state": "s",
    "w": "w",
    "fallback": "f",
    "last_good": "lg",
    "bad_at": "ba",
    "bad_rate": "br",
    "well_rate": "wr",
    "bad_level": "bl",
    "dispersion": "ds",
    "parts": "fp",
    "limits": "fl",
    "failures": "k",
    "cause": "by",
    "capacity_at_breach": "c",
    "dwell": "p",
    "episodes": "e",
    "changed_at": "t",
    "awaiting": "a",
    "effective_at": "ea",
    "stable_since": "ss",
    "ceiling_until": "cu",
    "freeze_until": "fu",
    "idle_since": "is",
    "unknown_since": "us",
    "empty_since": "es",
    "filled_since": "fs",
    "helpless": "h",
    "last": "d",
}
_STATES: Final = {state.value[0]: state for state in State}
_THOUSANDTHS: Final = frozenset(
    {"w", "last_good", "bad_at", "bad_rate", "well_rate", "bad_level", "dispersion"}
)


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
    if isinstance(value, Mapping):
        return {_DITTO if pool == fallback else pool: held for pool, held in value.items()}
    return _DITTO if fallback and value == fallback else value


def _undo_ditto(value: Any, fallback: str) -> Any:
    if isinstance(value, Decision) and value.pool == _DITTO:
        return replace(value, pool=fallback)
    if isinstance(value, Mapping):
        return {fallback if pool == _DITTO else pool: held for pool, held in value.items()}
    return fallback if value == _DITTO else value


def _pack(name: str, value: Any, base: int) -> Any:
    if name in _PACKED:
        return _PACKED[name][0](value, base)
    if name in _THOUSANDTHS:
        return round(value * 1000)
    return _seconds(value) - base if isinstance(value, datetime) else value


def _unpack(name: str, value: Any, base: int) -> Any:
    if name in _PACKED:
        return _PACKED[name][1](value, base)
    if name in _THOUSANDTHS:
        return int(value) / 1000
    return _instant(value + base) if name.endswith(("_until", "_since", "_at")) else int(value)


def _limits_to_json(limits: Mapping[str, FallbackLimit], base: int) -> dict[str, list[int]]:
    return {
        pool: [round(limit.rate * 1000), _seconds(limit.until) - base, limit.times]
        for pool, limit in limits.items()
    }


def _limits_from_json(document: Mapping[str, Any], base: int) -> dict[str, FallbackLimit]:
    return {
        str(pool): FallbackLimit(int(rate) / 1000, _instant(until + base), int(times))
        for pool, (rate, until, times) in document.items()
    }


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


_Codec = tuple[Callable[[Any, int], Any], Callable[[Any, int], Any]]
_TEXT: Final[_Codec] = (lambda text, _: text, lambda text, _: str(text))
_PACKED: Final[Mapping[str, _Codec]] = {
    "state": (lambda state, _: state.value[0], lambda letter, _: _STATES[letter]),
    "fallback": _TEXT,
    "cause": _TEXT,
    "awaiting": (lambda flag, _: flag, lambda flag, _: bool(flag)),
    "last": (_decision_to_json, _decision_from_json),
    "episodes": (
        lambda moments, base: [_seconds(at) - base for at in moments],
        lambda offsets, base: tuple(_instant(at + base) for at in offsets),
    ),
    "parts": (
        lambda parts, _: dict(parts),
        lambda parts, _: {str(pool): int(part) for pool, part in parts.items()},
    ),
    "limits": (_limits_to_json, _limits_from_json),
}
"""Field -> how it is written and read, where its kind does not say."""
