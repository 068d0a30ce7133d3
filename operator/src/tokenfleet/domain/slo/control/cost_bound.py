"""The bound of what shifts cost: when a loop gives back because of it, and what is said of it."""

from tokenfleet.domain.slo.control.allocation import allocate
from tokenfleet.domain.slo.control.cost_ledger import UNPRICED, CostLimit
from tokenfleet.domain.slo.control.memory import LoopMemory, State
from tokenfleet.domain.slo.control.transition import LoopInput, Move


def too_dear(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T13: what is shifted costs more than it may, or nobody knows its price any more.

    It waits for no vote and no clock: money that is spent does not come back. What External pools
    may not keep goes to the next fallbacks that have room, and the rest to the primary.
    """
    if not memory.shifted or seen.purse is None:
        return None
    unpriced = [s.pool for s in seen.chain if s.used > 0 and s.hourly == UNPRICED]
    if not unpriced and not seen.purse.over:
        return None
    w, parts = allocate(memory.w, seen)
    if parts == memory.spread:
        return None
    fewer = (pool for pool, part in memory.spread.items() if parts.get(pool, 0) < part)
    pool = next(fewer, "")
    note = unpriced_words(unpriced[0]) if unpriced else over_words(seen.purse.limit)
    if w >= 1:
        return Move(name="T13", w=1.0, state=State.NORMAL, pool=pool, note=note)
    return Move(name="T13", w=w, state=memory.state, pool=pool, parts=parts, note=note)


def over_words(limit: CostLimit) -> str:
    """Say that too much is spent."""
    return f"shifts of TokenSLO {limit.name} cost more than {limit.per_hour:g} an hour"


def unpriced_words(pool: str) -> str:
    """Say what to set where a pool has no price."""
    return f"External pool {pool} has no token prices: set spec.price.perMillionTokens of it"


def spent_words(seen: LoopInput) -> str:
    """Say why money keeps fallbacks from taking more; empty where it does not."""
    if seen.purse is None:
        return ""
    for standby in seen.chain:
        if not standby.ok or standby.room <= standby.used or seen.spare(standby) > 0:
            continue
        if standby.hourly == UNPRICED:
            return unpriced_words(standby.pool)
        if standby.hourly is None:
            return f"nobody can say what requests to External pool {standby.pool} cost"
        limit = seen.purse.limit
        return (
            f"shifts of TokenSLO {limit.name} may cost {limit.per_hour:g} an hour, and"
            f" {standby.pool} would cost more"
        )
    return ""
