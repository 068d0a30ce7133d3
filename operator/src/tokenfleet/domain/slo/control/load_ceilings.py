"""Ceilings: what a loop has learned about load, and how far it may step back because of it.

A pool that was bad at one share and good at a smaller one is overloaded, not broken, and it will be
overloaded again at the same load. So a failed recovery remembers the load, in requests per second
of each ready replica, and not only the share: with less demand, or more replicas, the same share is
no risk, and with more demand a smaller one is.

    load of the primary
         |  bad_rate           was bad here: not again before the ceiling ends, and then not beyond
         |  0.85 * bad_rate    as far as steps go under the ceiling
         |  0.85 * last good   where a failed recovery falls back to, so that its backlog drains

Queues turn bad within a few percent of their capacity: 64 sequences with service times of 8 s miss
a first token within 2.5 s in 14 % of cases at 95 % of their capacity, in 1.7 % at 90 %, in 0.2 %
at 85 %, in 0.07 % at 82 %. That is why the margin is 15 %, and why halving the distance to what
was bad again and again does not do: it ends where every request has a little trouble for hours.

What is true of the primary is true of the fallback: one that was bad when the primary was less so
has shown what it cannot bear, whatever was declared of it. The ledger believes the lesser of both.
"""

from datetime import datetime
from typing import Any, Final

from tokenfleet.domain.slo.control.memory import LoopMemory
from tokenfleet.domain.slo.control.transition import LoopInput

BORNE: Final = 0.85
"""Part of a load that was bad which is taken for safe; see the figures above."""
LEAST_GAIN: Final = 0.05
"""Under a ceiling, smaller steps are not worth a change."""


def load_of(memory: LoopMemory, seen: LoopInput) -> float | None:
    """Return the requests per second of each ready replica now; None where not measured."""
    rate = memory.w * seen.flow
    return round(rate / seen.ready, 3) if rate > 0 and seen.ready > 0 else None


def bad_share(memory: LoopMemory, seen: LoopInput) -> float | None:
    """Return the least w that would be as much load as was bad; above 1 where none would be."""
    if memory.bad_rate is None or seen.flow <= 0 or seen.ready == 0:
        return memory.bad_at
    return memory.bad_rate * seen.ready / seen.flow


def outgrown(memory: LoopMemory, seen: LoopInput) -> bool:
    """Tell whether the present w, which is good, is as much as once was bad."""
    bad = bad_share(memory, seen)
    return memory.ceiling_until is not None and bad is not None and memory.w >= bad - 0.005


def ceiling(memory: LoopMemory, seen: LoopInput) -> float | None:
    """Return the largest w of the next step; None where nothing limits it, w where none is left."""
    bad, until = bad_share(memory, seen), memory.ceiling_until
    if bad is None or until is None or outgrown(memory, seen):
        return None
    if until <= seen.now:  # what was bad may be tried again, and no more than that
        return max(bad, memory.w + LEAST_GAIN)
    limit = round(BORNE * bad, 3)
    return limit if limit >= 1 or limit - memory.w >= LEAST_GAIN else memory.w


def crowded(seen: LoopInput) -> dict[str, Any]:
    """Return what a fallback that suffers leaves in memory; nothing where its load is unknown."""
    standby = seen.standby
    if standby is None or standby.rate <= 0:
        return {}
    until = seen.now + seen.policy.max_hold
    return {
        "crowded_rate": round(standby.rate, 3),
        "crowded_pool": standby.pool,
        "crowded_until": until,
    }


def learned_capacity(memory: LoopMemory, now: datetime) -> float | None:
    """Return requests per second of each replica of the fallback that are known to be too many."""
    until = memory.crowded_until
    return memory.crowded_rate if until is not None and now < until else None
