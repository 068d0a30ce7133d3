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

from dataclasses import replace
from datetime import datetime
from typing import Final

from tokenfleet.domain.slo.control.memory import FallbackLimit, LoopMemory
from tokenfleet.domain.slo.control.transition import LoopInput, Standby

BORNE: Final = 0.85
"""Part of a load that was bad which is taken for safe; see the figures above."""
LESS: Final = 0.7
"""Part of its load that a crowded fallback keeps: a queue that has grown must also drain."""
AGAIN: Final = 1.15
"""Times what it has that a crowded fallback is tried with, where the primary is the worse place."""
ENOUGH: Final = 3
"""Times that a fallback is given less because it is crowded; then load is not why."""
FORGOTTEN: Final = 4
"""Times maxHold after which a fallback that was found bad has a clean record again."""
_MOST_DOUBLINGS: Final = 3
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


def found_bad(
    memory: LoopMemory, standby: Standby, seen: LoopInput
) -> tuple[dict[str, FallbackLimit], float]:
    """Return what a fallback that suffers leaves in memory, and what it may keep.

    It is *broken*, and gets nothing, where load cannot be why: errors, a load that is small for it,
    or one that was taken from it three times and is still too much. Else it is *crowded*: it keeps
    `LESS` of what it has, `BORNE` where little of it is bad, and that load counts as its capacity.
    So does one that is bad with little
    but less so than the primary was when it was left: what it has would go back to something worse.
    Either is believed for maxHold, twice as long each time in a row; then it is tried again with a
    little.
    """
    before = memory.limits.get(standby.pool)
    count = min(before.times + 1, _MOST_DOUBLINGS) if before is not None else 1
    again = before is not None and seen.now < before.until and before.times >= ENOUGH
    straight = standby.worse is not None and standby.worse.straight
    again = again and not standby.queueing
    easy = standby.easy and standby.worse_than_left
    broken = straight or easy or standby.rate <= 0 or standby.trial or again
    until = seen.now + seen.policy.max_hold * 2 ** (count - 1)
    kept = {
        pool: limit
        for pool, limit in memory.limits.items()
        if seen.now - limit.until < FORGOTTEN * seen.policy.max_hold
    }
    less = BORNE if standby.worse is not None and not standby.worse.severe else LESS
    rate = 0.0 if broken else round(less * standby.rate / seen.policy.utilization, 3)
    limits = {**kept, standby.pool: FallbackLimit(rate, until, count)}
    return limits, 0.0 if broken else less * standby.used


def loosened(memory: LoopMemory, seen: LoopInput) -> tuple[LoopInput, dict[str, FallbackLimit]]:
    """Return the fallbacks as if crowded ones bore `AGAIN` of what they have, and the new limits.

    What a crowded fallback keeps is a guess from one proof, made while its queue drained. Where the
    primary is bad and the fallback is not, with as much as was left to it, the guess was too low.
    Never more than was declared.
    """
    chain, limits = [], dict(memory.limits)
    for standby in seen.chain:
        limit = memory.limits.get(standby.pool)
        crowded = believed(limit, seen.now) and standby.ok and standby.used
        if limit is None or limit.rate == 0 or not crowded:
            chain.append(standby)
            continue
        least = max(standby.least_declared, 1 - AGAIN * standby.used)
        chain.append(replace(standby, least_kept=least))
        limits[standby.pool] = FallbackLimit(round(AGAIN * limit.rate, 3), limit.until, 1)
    return replace(seen, chain=tuple(chain)), limits


def learned_capacity(limit: FallbackLimit, now: datetime) -> float | None:
    """Return requests per second of each replica that are known to be too many; 0: any are."""
    return limit.rate if now < limit.until else None


def believed(limit: FallbackLimit | None, now: datetime) -> bool:
    """Tell whether a fallback was found bad, at any load or at some, not too long ago."""
    return limit is not None and now < limit.until


def on_trial(limit: FallbackLimit | None, now: datetime) -> bool:
    """Tell whether a fallback was found bad at any load, and may be tried again."""
    return limit is not None and limit.rate == 0 and now >= limit.until


def searching(memory: LoopMemory, worst: Standby) -> bool:
    """Tell whether this is the search for what a fallback bears, which was one change of mind.

    So it is where it was given less before, and since then at most a little more by T2.
    """
    last = memory.last
    return worst.pool in memory.limits and last is not None and last.transition in {"T2", "T7"}
