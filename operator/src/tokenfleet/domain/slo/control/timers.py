"""How far and how fast a loop moves: the steps, the clocks, and what a move leaves in memory."""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from tokenfleet.domain.slo.control import load_ceilings
from tokenfleet.domain.slo.control.memory import Decision, LoopMemory, State
from tokenfleet.domain.slo.control.transition import LoopInput, Move

BETA_FAST: Final = 0.5
"""Part of w that stays after a fast breach. Less overloads small fallbacks before T7 can answer."""
BETA_SLOW: Final = 0.75
"""Part of w that stays after a slow breach."""
CAREFUL_SHIFT: Final = 0.25
"""Largest first shift onto a fallback whose capacity nobody has declared."""
STEP: Final = 0.10
"""Least step back."""
LARGEST_STEP: Final = 0.25
"""Largest step back: w doubles below it, and grows by this much above it."""
MAX_EPISODES: Final = 4
"""Shifts per hour; more is flapping, and flapping is frozen for people to look at."""
EPISODE_WINDOW: Final = timedelta(hours=1)
SLOW_RECOVERY: Final = 3
"""How many times longer recovery waits where the evidence is thin."""
PROBE_PART: Final = 0.75
"""Part of the short window that must lie after a change before it is judged: 45 s of 1 min."""


def lowered(memory: LoopMemory, seen: LoopInput, beta: float) -> float:
    """Return w after a shift that keeps `beta` of it, within floor and guard; never above w."""
    return min(memory.w, _up(max(seen.policy.floor, memory.w * beta, guard(seen))))


def raised(memory: LoopMemory, seen: LoopInput, *, ceiling: bool = True) -> float:
    """Return w after a step back; w itself where a ceiling leaves too little to gain."""
    w = memory.w
    step = min(1.0, round(w + max(STEP, min(w, LARGEST_STEP)), 3))
    limit = load_ceilings.ceiling(memory, seen) if ceiling else None
    return step if limit is None else min(step, round(limit, 3))


def guard(seen: LoopInput) -> float:
    """Return the least w that the fallback can bear (g); 0 where its capacity is unknown."""
    return (seen.standby.least_kept or 0.0) if seen.standby is not None else 0.0


def fallen(memory: LoopMemory, seen: LoopInput) -> float:
    """Return where a failed recovery falls back to."""
    last_good = memory.last_good if memory.last_good is not None else seen.policy.floor
    return min(memory.w, _up(max(seen.policy.floor, load_ceilings.BORNE * last_good, guard(seen))))


def hold(memory: LoopMemory, seen: LoopInput) -> timedelta:
    """Return the healthy time before the first step back: doubled by each failed recovery."""
    longest = seen.policy.max_hold
    doublings: int = 2 ** min(memory.failures, 16)
    return min(longest, seen.policy.hold * doublings)


def failed_once_more(memory: LoopMemory, seen: LoopInput) -> dict[str, Any]:
    """Return what a failed recovery leaves: a count and a ceiling."""
    failures = memory.failures + 1
    life = min(4 * seen.policy.max_hold, 6 * seen.policy.hold * 2 ** min(failures - 1, 16))
    return {
        "failures": failures,
        "ceiling_until": seen.now + life,
        "bad_at": memory.w,
        "bad_rate": load_ceilings.load_of(memory, seen),
    }


def recent_episodes(memory: LoopMemory, seen: LoopInput) -> tuple[datetime, ...]:
    """Return the shifts of the last hour."""
    return tuple(at for at in memory.episodes if seen.now - at < EPISODE_WINDOW)


def on_probation(memory: LoopMemory, seen: LoopInput) -> bool:
    """Tell whether a breach now means that the last recovery failed."""
    since = memory.stable_since
    return since is not None and seen.now - since < 2 * seen.policy.max_hold


def passed(moment: datetime | None, seen: LoopInput) -> bool:
    """Tell whether a moment has come; one that was never set has."""
    return moment is None or seen.now >= moment


def just_changed(memory: LoopMemory, seen: LoopInput) -> bool:
    """Tell whether the last change is too fresh to be seen in the short window."""
    return memory.changed_at is not None and seen.now - memory.changed_at < (
        PROBE_PART * seen.policy.short
    )


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
    healthy = seen.healthy and memory.state is State.SHIFTED and memory.w > 0
    healthy_since = (memory.healthy_since or seen.now) if healthy else None
    return replace(memory, idle_since=idle_since, healthy_since=healthy_since)


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
    )
    changes = move.changes
    if move.trigger is not None:
        changes = changes | {"cause": move.trigger.objective}
    after = replace(memory, w=round(move.w, 3), state=move.state, last=decision, **changes)
    if after.w == memory.w and after.fallback == memory.fallback:
        return after, decision
    if after.state is State.NORMAL:
        return replace(after, changed_at=seen.now, **_AT_HOME), decision
    # Until the routers acknowledge, wait twice as long: a replica that never answers must not
    # stop a shift away from a bad pool for ever.
    return replace(
        after,
        changed_at=seen.now,
        awaiting=True,
        settle_until=seen.now + 2 * seen.policy.settle,
        dwell_until=seen.now + 2 * seen.policy.dwell,
        healthy_since=None,
        pace=round(seen.policy.dwell.total_seconds()) if seen.voting else after.pace,
    ), decision


_AT_HOME: Final[dict[str, Any]] = {
    "awaiting": False,
    "fallback": "",
    "settle_until": None,
    "dwell_until": None,
    "healthy_since": None,
    "freeze_until": None,
    "idle_since": None,
    "unknown_since": None,
    "filled_since": None,
    "capacity_at_breach": 0,
    "pace": 0,
    "cause": "",
}


def _facts(memory: LoopMemory, seen: LoopInput) -> LoopMemory:
    empty_since = filled_since = None
    if seen.ready == 0:
        empty_since = min(memory.empty_since or seen.now, seen.now)
    elif memory.w == 0:
        filled_since = min(memory.filled_since or seen.now, seen.now)
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
        ceiling_until=None,
        episodes=recent_episodes(memory, seen),
    )


def _clamped(memory: LoopMemory, seen: LoopInput) -> LoopMemory:
    """Cut waits that are longer than the policy ever sets: it changed, or the clock went back."""
    now, policy = seen.now, seen.policy
    limits = {
        "settle_until": now + 2 * policy.settle,
        "dwell_until": now + 2 * policy.dwell,
        "ceiling_until": now + 4 * policy.max_hold,
        "crowded_until": now + policy.max_hold,
        "freeze_until": now + EPISODE_WINDOW,
        "healthy_since": now,
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
    moved: dict[str, Any] = {
        name: at + stood
        for name in ("settle_until", "dwell_until", "healthy_since", "idle_since")
        if (at := getattr(memory, name)) is not None and (at > since or name.endswith("since"))
    }
    return replace(memory, unknown_since=None, **moved)


def _acknowledged(memory: LoopMemory, seen: LoopInput) -> LoopMemory:
    at = seen.acknowledged_at
    if not memory.awaiting or at is None or memory.changed_at is None or at < memory.changed_at:
        return memory
    return replace(
        memory,
        awaiting=False,
        settle_until=min(at, seen.now) + seen.policy.settle,
        dwell_until=min(at, seen.now) + seen.policy.dwell,
    )


def _up(w: float) -> float:
    """Round up to thousandths: a floor or a guard must not be crossed by rounding."""
    return min(1.0, math.ceil(w * 1000 - 1e-6) / 1000)
