"""Rules that are gone: what their control loops remembered is kept for an hour, for their heirs.

A rule that is renamed, or whose route is deleted and applied again, is gone at one instant and new
at the next. Its traffic is that of a rule in the middle of a shift all the same.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from tokenfleet.domain.slo.control.memory import RuleMemory
from tokenfleet.domain.slo.control.memory_json import rule_from_json, rule_to_json

KEPT: Final = timedelta(hours=1)
"""As long as the control loop counts episodes: what is older is no longer believed anyway."""

MOST: Final = 256
"""Rules that are kept; the youngest, where more are gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed:
    """One rule that is gone."""

    at: datetime
    """Since when."""
    models: tuple[str, ...]
    """Public model names of its route."""
    shares: Mapping[str, int]
    """Pool -> conversations of 1000 that it had."""
    memory: RuleMemory = field(default_factory=RuleMemory)


def remembered(departed: Mapping[str, Departed], now: datetime) -> dict[str, Departed]:
    """Return those that are worth keeping, by `namespace/route/rule`."""
    young = [(key, gone) for key, gone in departed.items() if now - gone.at < KEPT]
    young.sort(key=lambda item: (item[1].at, item[0]))
    return dict(sorted(young[-MOST:]))


def encode(departed: Mapping[str, Departed]) -> str:
    """Write them; equal input gives equal text."""
    document = {
        key: {
            "at": int(gone.at.timestamp()),
            "models": list(gone.models),
            "shares": dict(gone.shares),
            "memory": rule_to_json(gone.memory),
        }
        for key, gone in departed.items()
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def decode(text: str) -> dict[str, Departed]:
    """Read what `encode` wrote.

    Raises:
        ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError: it is something
            else.
    """
    return {
        str(key): Departed(
            at=datetime.fromtimestamp(gone["at"], UTC),
            models=tuple(str(name) for name in gone["models"]),
            shares={str(pool): int(share) for pool, share in gone["shares"].items()},
            memory=rule_from_json(gone["memory"]),
        )
        for key, gone in json.loads(text).items()
    }


def shifted_pools(memory: RuleMemory) -> tuple[str, ...]:
    """Return the primaries that traffic is shifted away from."""
    pools: Iterable[str] = {*memory.loops, *memory.levels}
    return tuple(sorted(pool for pool in pools if memory.kept(pool).shifted))
