"""Allocation: which fallbacks take how much of what a primary gives away.

The chain is asked in its order. Each takes as much as it has room for: none where it has no ready
replica, is bad, or says that it is full; what its capacity leaves; a little where it was found bad
before; anything where nobody knows its capacity; and of a provider what the money pays for, where
that is limited. What is left over is asked of the next one, and what nobody takes stays on the
primary. On the way back the last of the chain gives back first.
"""

import math
from collections.abc import Iterable, Mapping
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
    money = seen.purse.allowance if seen.purse is not None else 0.0
    for standby in seen.chain:
        take = min(need, _room(standby, careful, money))
        if take > 0:
            parts[standby.pool] = take
            need -= take
            money -= take / WHOLE * (standby.hourly or 0.0)
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


def crowded(
    w: float, parts: Parts, able: Iterable[Standby], seen: LoopInput
) -> tuple[float, Parts]:
    """Give what nobody has room for to somebody all the same: a full one is better than none.

    Not to those whose cost is limited: capacity is a promise, and money is spent.

    Args:
        w: what nobody has room for.
        parts: what fallbacks take.
        able: those that may get it, in the order of the chain.
        seen: all of them.
    """
    if w <= 0:
        return w, parts
    dear = {standby.pool for standby in seen.chain if standby.hourly != 0}
    free = main_pool({name: part for name, part in parts.items() if name not in dear})
    pool = free or next((s.pool for s in able if s.pool not in dear), "")
    return (0.0, {**parts, pool: parts.get(pool, 0) + round(w * WHOLE)}) if pool else (w, parts)


def _room(standby: Standby, careful: float, money: float) -> int:
    room = min(standby.room, standby.buys(max(0.0, money)))
    if standby.least_kept is None:
        room = min(room, max(careful, standby.used))
    if room < LEAST_ROOM and standby.used == 0:
        room = 0.0
    return math.floor(room * WHOLE + 1e-6)
