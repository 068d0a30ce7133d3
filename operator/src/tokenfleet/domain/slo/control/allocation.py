"""Allocation: which fallbacks take how much of what a primary gives away.

The chain is asked in its order. Each takes as much as it has room for: none where it has no ready
replica, is bad, or says that it is full; what its capacity leaves; a little where it was found bad
before; anything where nobody knows its capacity. What is left over is asked of the next one, and
what nobody takes stays on the primary. On the way back the last of the chain gives back first.
"""

import math
from collections.abc import Mapping
from typing import Final

from tokenfleet.domain.slo.control.transition import LoopInput, Standby

LEAST_ROOM: Final = 0.05
"""Part of a primary's baseline; where a fallback has less room than that, it is full."""
WHOLE: Final = 1000
"""Thousandths of a baseline."""

Parts = dict[str, int]
"""Fallback -> thousandths of the primary's baseline."""


def allocate(w: float, seen: LoopInput, *, careful: float = 1.0) -> tuple[float, Parts]:
    """Share out what a primary gives away when it keeps w.

    Args:
        w: the least that it should keep; 0..1.
        seen: the fallbacks, and what they can take.
        careful: most that one of unknown capacity gets.

    Returns:
        What it keeps, at least w, and the parts; they sum to 1000.
    """
    need, parts = WHOLE - math.ceil(w * WHOLE - 1e-6), Parts()
    for standby in seen.chain:
        take = min(need, _room(standby, careful))
        if take > 0:
            parts[standby.pool] = take
            need -= take
    return (WHOLE - sum(parts.values())) / WHOLE, parts


def shrunk(parts: Mapping[str, int], w: float, order: Mapping[str, int]) -> Parts:
    """Return the parts when the primary keeps more: the last of the chain gives back first."""
    need, kept = WHOLE - round(w * WHOLE), Parts()
    for pool in sorted(parts, key=lambda pool: order.get(pool, len(order))):
        take = min(need, parts[pool])
        if take > 0:
            kept[pool] = take
            need -= take
    return kept


def main_pool(parts: Mapping[str, int]) -> str:
    """Return the fallback that speaks for all: the one that gets most."""
    return max(parts, key=lambda pool: (parts[pool], pool), default="")


def guard(seen: LoopInput) -> float:
    """Return the least w that all fallbacks together can bear (g)."""
    return max(0.0, 1.0 - sum(_room(standby, 1.0) for standby in seen.chain) / WHOLE)


def _room(standby: Standby, careful: float) -> int:
    room = standby.room
    if standby.least_kept is None:
        room = min(room, max(careful, standby.used))
    if room < LEAST_ROOM and standby.used == 0:
        room = 0.0
    return math.floor(room * WHOLE + 1e-6)
