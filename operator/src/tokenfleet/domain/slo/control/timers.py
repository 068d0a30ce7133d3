"""How far and how fast a loop moves: the steps, the clocks, and what a move leaves in memory."""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from tokenfleet.domain.slo.control import load_ceilings
from tokenfleet.domain.slo.control.allocation import main_pool, shrunk
from tokenfleet.domain.slo.control.memory import Decision, LoopMemory, State
from tokenfleet.domain.slo.control.transition import LoopInput, Move
from tokenfleet.domain.slo.objectives.spec import Policy
from tokenfleet.domain.slo.observation.evidence import EVER

CAREFUL_SHIFT: Final = 0.25
"""Largest first shift onto a fallback whose capacity nobody has declared."""
STEP: Final = 0.10
"""Least step back."""
LARGEST_STEP: Final = 0.25
"""Largest step back: w doubles below it, and grows by this much above it."""
EPISODE_WINDOW: Final = timedelta(hours=1)
"""For so long a change of mind is remembered; see freezes.py."""
SOON: Final = 3
"""Holds after a recovery in which its last step may still prove to have been one too many."""
MORE: Final = 1.1
"""Part of a load that was borne from which it is another load."""
PART_OF_HOLD: Final = 0.75
"""Part of the hold that the window must be long which proves the primary well."""
PART_OF_DWELL: Final = 0.5
"""Part of the dwell that a window must be long which proves the primary well: while a step settles
nothing can be seen."""


def lowered(memory: LoopMemory, seen: LoopInput, beta: float) -> float:
    """Return w after a shift that keeps `beta` of it, not below the floor; never above w."""
    return min(memory.w, _up(max(seen.policy.floor, memory.w * beta)))


def raised(memory: LoopMemory, seen: LoopInput, *, ceiling: bool = True) -> float:
    """Return w after a step back; w itself where a ceiling leaves too little to gain."""
    w = memory.w
    step = min(1.0, round(w + max(STEP, min(w, LARGEST_STEP)), 3))
    limit = load_ceilings.ceiling(memory, seen) if ceiling else None
    return step if limit is None else min(step, round(limit, 3))


def fallen(memory: LoopMemory, seen: LoopInput) -> float:
    """Return where a failed recovery falls back to."""
    last_good = memory.last_good if memory.last_good is not None else seen.policy.floor
    return min(memory.w, _up(max(seen.policy.floor, load_ceilings.BORNE * last_good)))


def hold(memory: LoopMemory, seen: LoopInput) -> timedelta:
    """Return the healthy time before the first step back: doubled by each failed recovery."""
    longest = seen.policy.max_hold
    doublings: int = 2 ** min(memory.failures, 16)
    return min(longest, seen.policy.hold * doublings)


def failed_once_more(memory: LoopMemory, seen: LoopInput) -> dict[str, Any]:
    """Return what a failed recovery leaves: a count and a ceiling."""
    return {"failures": memory.failures + 1, **taken_for_overload(memory, seen)}


def taken_for_overload(memory: LoopMemory, seen: LoopInput) -> dict[str, Any]:
    """Return the ceiling below the present load; each failure in a row doubles its life."""
    life = min(4 * seen.policy.max_hold, 6 * seen.policy.hold * 2 ** min(memory.failures, 16))
    return {
        "ceiling_until": seen.now + life,
        "bad_at": memory.w,
        "bad_rate": load_ceilings.load_of(memory, seen),
    }


def recent_episodes(memory: LoopMemory, seen: LoopInput) -> tuple[datetime, ...]:
    """Return the changes of mind of the last hour, the oldest first."""
    return tuple(at for at in memory.episodes if seen.now - at < EPISODE_WINDOW)


def on_probation(memory: LoopMemory, seen: LoopInput) -> bool:
    """Tell whether a breach now means that the last recovery failed."""
    since = memory.stable_since
    return since is not None and seen.now - since < 2 * seen.policy.max_hold


def passed(moment: datetime | None, seen: LoopInput) -> bool:
    """Tell whether a moment has come; one that was never set has."""
    return moment is None or seen.now >= moment


def age(memory: LoopMemory, now: datetime, settle: timedelta) -> timedelta:
    """Return how long the present share has been in effect; `EVER` where it never changed.

    While routers do not acknowledge, it is taken to be in effect after a settle: a replica that
    never answers must not stop a shift away from a bad pool for ever. Time in which
    nothing was known does not count: nobody saw how the share did.
    """
    if memory.changed_at is None:
        return timedelta(0) if memory.shifted else EVER
    since = memory.changed_at + settle if memory.awaiting else memory.changed_at
    unseen = now - memory.unknown_since if memory.unknown_since is not None else timedelta(0)
    return max(timedelta(0), now - max(since, memory.effective_at or since) - unseen)


def reach(memory: LoopMemory, policy: Policy) -> timedelta:
    """Return how far before the last change a window may reach that proves the primary bad.

    Before a step up the primary was proven well for `PART_OF_DWELL` of the dwell at least, and for
    the shortest window. Its attempts of that time can only dilute what is bad since, so windows
    need not wait to be filled.
    """
    after_step = memory.last is not None and memory.last.transition in {"T3", "T4", "T5"}
    if not after_step or memory.w == 0:
        return timedelta(0)
    return max(PART_OF_DWELL * policy.dwell, policy.short)


def suspected(memory: LoopMemory, seen_at: datetime, rate: float, policy: Policy) -> bool:
    """Tell whether a recovered primary carries a load at which it was not proven well.

    So it is soon after the last step, and whenever it is asked for clearly more than it was then.

    Args:
        memory: the loop, on probation.
        seen_at: now.
        rate: requests per second that each ready replica is asked for.
        policy: its clocks.
    """
    since = memory.stable_since
    if since is None:
        return False
    proven = memory.well_rate if memory.well_rate is not None else 0.0
    return seen_at - since < SOON * policy.hold or rate > MORE * proven


def may_rise(memory: LoopMemory, seen: LoopInput) -> bool:
    """Tell whether more traffic may go to the primary: all see, all routers follow, it is there."""
    return (
        seen.all_known
        and seen.ready > 0
        and seen.acknowledged_at is not None
        and not memory.awaiting
    )


def lacks_replicas(memory: LoopMemory, seen: LoopInput) -> bool:
    """Tell whether an autoscaler shrank the idle primary below what the next step needs.

    After `max_hold` at the same w the step is tried all the same: replicas that somebody took away
    for good must not keep traffic away for good.
    """
    since = memory.changed_at
    if since is not None and seen.now - since >= seen.policy.max_hold:
        return False
    return seen.ready < memory.capacity_at_breach * raised(memory, seen) - 1e-9


def tick(memory: LoopMemory, seen: LoopInput) -> LoopMemory:
    """Keep the clocks; equal memory as long as nothing happens."""
    memory = _facts(memory, seen)
    if memory.state is State.NORMAL:
        return _forget(memory, seen)
    memory = _clamped(memory, seen)
    if seen.voting and not seen.known:
        return replace(memory, unknown_since=memory.unknown_since or seen.now)
    memory = _acknowledged(_resumed(memory, seen), seen)
    idle_since = (memory.idle_since or seen.now) if seen.idle else None
    return replace(memory, idle_since=idle_since) if idle_since != memory.idle_since else memory


def applied(memory: LoopMemory, move: Move, seen: LoopInput) -> tuple[LoopMemory, Decision]:
    """Return the memory after a move, and the decision that it is."""
    counts = move.trigger.counts if move.trigger is not None else None
    decision = Decision(
        transition=move.name,
        at=seen.now,
        from_w=round(memory.w * 1000),
        to_w=round(move.w * 1000),
        objective=move.trigger.objective if move.trigger is not None else "",
        bad=counts.bad if counts is not None else 0,
        total=counts.total if counts is not None else 0,
        limit=round(move.trigger.limit * 1000) if move.trigger is not None else 0,
        window=round(move.trigger.window.total_seconds()) if move.trigger is not None else 0,
        pool=move.pool,
        note=move.note,
    )
    changes = {**_spread(memory, move, seen), **move.changes}
    if move.trigger is not None:
        changes = changes | {"cause": move.trigger.objective}
    after = replace(memory, w=round(move.w, 3), state=move.state, last=decision, **changes)
    if after.w == memory.w and after.spread == memory.spread:
        return after, decision
    if after.state is State.NORMAL:
        return replace(after, changed_at=seen.now, **_AT_HOME), decision
    return replace(
        after,
        changed_at=seen.now,
        effective_at=None,
        awaiting=True,
        dwell=round(seen.policy.dwell.total_seconds()) if seen.voting else after.dwell,
    ), decision


_AT_HOME: Final[dict[str, Any]] = {
    "awaiting": False,
    "effective_at": None,
    "fallback": "",
    "parts": {},
    "freeze_until": None,
    "idle_since": None,
    "unknown_since": None,
    "filled_since": None,
    "capacity_at_breach": 0,
    "dwell": 0,
    "cause": "",
}


def _facts(memory: LoopMemory, seen: LoopInput) -> LoopMemory:
    empty_since = filled_since = None
    if seen.ready == 0:
        empty_since = min(memory.empty_since or seen.now, seen.now)
    elif memory.w == 0:
        filled_since = min(memory.filled_since or seen.now, seen.now)
    if (empty_since, filled_since) == (memory.empty_since, memory.filled_since):
        return memory
    return replace(memory, empty_since=empty_since, filled_since=filled_since)


def _forget(memory: LoopMemory, seen: LoopInput) -> LoopMemory:
    since = memory.stable_since
    if since is None or on_probation(memory, seen):
        return memory
    return replace(
        memory,
        stable_since=None,
        failures=0,
        last_good=None,
        bad_at=None,
        bad_rate=None,
        well_rate=None,
        bad_level=None,
        dispersion=None,
        ceiling_until=None,
        episodes=recent_episodes(memory, seen),
    )


def _clamped(memory: LoopMemory, seen: LoopInput) -> LoopMemory:
    """Cut waits that are longer than the policy ever sets: it changed, or the clock went back."""
    now, policy = seen.now, seen.policy
    limits = {
        "ceiling_until": now + 4 * policy.max_hold,
        "freeze_until": now + EPISODE_WINDOW,
        "effective_at": now,
        "idle_since": now,
        "unknown_since": now,
        "changed_at": now,
    }
    values = {name: getattr(memory, name) for name in limits}
    late: dict[str, Any] = {
        n: limits[n] for n, value in values.items() if value is not None and value > limits[n]
    }
    return replace(memory, **late) if late else memory


def _resumed(memory: LoopMemory, seen: LoopInput) -> LoopMemory:
    since = memory.unknown_since
    if since is None:
        return memory
    stood = seen.now - since
    moved: dict[str, Any] = {}
    if memory.idle_since is not None:
        moved["idle_since"] = memory.idle_since + stood
    if memory.changed_at is not None:  # nobody saw how the share did meanwhile
        moved["effective_at"] = (memory.effective_at or memory.changed_at) + stood
    return replace(memory, unknown_since=None, **moved)


def _acknowledged(memory: LoopMemory, seen: LoopInput) -> LoopMemory:
    at = seen.acknowledged_at
    if not memory.awaiting or at is None or memory.changed_at is None or at < memory.changed_at:
        return memory
    return replace(
        memory,
        awaiting=False,
        effective_at=min(at, seen.now),
    )


def _spread(memory: LoopMemory, move: Move, seen: LoopInput) -> dict[str, Any]:
    """Return who gets what the primary gives away."""
    if move.parts is None:
        order = {standby.pool: n for n, standby in enumerate(seen.chain)}
        parts = shrunk(memory.spread, move.w, order)
    else:
        parts = dict(move.parts)
    return {"fallback": main_pool(parts), "parts": parts if len(parts) > 1 else {}}


def _up(w: float) -> float:
    """Round up to thousandths: a floor or a guard must not be crossed by rounding."""
    return min(1.0, math.ceil(w * 1000 - 1e-6) / 1000)
