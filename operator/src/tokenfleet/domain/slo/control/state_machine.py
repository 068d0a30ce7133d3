"""The control state machine: one loop per rule and primary pool.

w is the part of the primary's baseline that it still gets; the rest goes to the fallback.

                  T1, T1h                            T3, T1r
    +--------+ ------------> +---------+ --------------------------> +------------+
    | Normal |               | Shifted |                             | Recovering |
    +--------+ <------------ +---------+ <-------------------------- +------------+
        ^      T7, T8, T11,   |       ^              T6                |    |
        |      T12, T13       | T9    | T10                         T9 |    | T5, T7, T8,
        |                     v       |                                |    | T11, T12,
        |                    +---------+ <-----------------------------+    | T13
        +------------------- | Frozen  |                                    |
        |  T8, T10, T12, T13 +---------+                                    |
        +-------------------------------------------------------------------+

Inside a state: T2, T7, T11, T13, P2 (Shifted), T4, T7, T11, T12, T13, P2 (Recovering), T13
(Frozen); T1h leads from every
state to Shifted, T9 from Normal to Frozen too, T12 from every shifted one to Recovering and on to
Normal.

One transition per tick; the first whose guard holds:

    ====  ===================  =====================================  ===========================
    name  from                 guard                                  does
    ====  ===================  =====================================  ===========================
    P0    any                  the user pins shares (rule_step.py)    exactly as pinned
    T11   any with w < 1       a fallback has no ready replica        next fallbacks, else w = 1
    T1h   any                  primary without endpoint for short/2,  w = 0, or as far as money
                               fallback ok                            goes
    P1    any                  no vote can see                        hold; no wait goes on
    T13   any with w < 1       shifts cost more than they may, or     next fallbacks, else step up
                               an External one lost its price         as far as needed
    T8    any but Normal       rule without traffic for idleReset     w = 1
    T12   any but Normal       no objective that asks is heard        step up every dwell
    T9    any but Frozen       too many changes of mind (freezes.py)  move nothing, at most 1 h
    T10   Frozen               the time has passed                    go on
    P2    w below floor        the user raised the floor              step up every dwell
    P3    any with w < 1       the user edited the rule               traffic stays (carry_over.py)
    P4    -                    the rule takes the place of another    w as that one had it
    T1r   w = 0 after T1h or   endpoints are back for short/2         first step up
          a pin
    T1    Normal               proven bad (on probation: still bad),  w down
                               a fallback has room, under 4 changes
    T6    Recovering           still bad at this share                w down, ceiling, back off
    T7    Shifted, Recovering  settled; a fallback is bad, and more   next fallbacks, else step up;
                               so than the primary                    remember what it did not bear
    T2    Shifted              settled; still bad, w above floor, a   w down
                               fallback helps and has room
    T3    Shifted              unchanged for hold; proven well, or    step up
                               nothing can be seen; replicas
    T4    Recovering           dwelt; proven well; replicas           step up
    T5    Recovering           as T4, and the step reaches 1          Normal, on probation
    ====  ===================  =====================================  ===========================

Bad, still bad and well are proofs from the attempts since the last change of share (evidence.py).
w goes down to `max(floor, w * beta)` as far as fallbacks have room (allocation.py). Errors do not
depend on load, and neither does what a shift did not make better: then beta is 0, straight to the
floor. A step up is at least 0.10 and at most 0.25; under a ceiling (after a failed recovery, and
after any shift where scrapes are rare) it ends short of the load that was bad (load_ceilings.py).
Normal after a recovery is probation: within 2 * maxHold being still bad is a breach and counts as a
failed recovery. Each failure in a row doubles the hold and the life of the ceiling. At w = 0
nothing can be seen, and a step is tried after each hold; at a w that lets too little through, after
the longest window without a bad sign. A change of mind is a shift, a failed recovery or a fallback
that was found bad; giving the same one less again is none, it is the search for what it bears. The
numbers and where they come from are in timers.py and in the control-loop page.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from tokenfleet.domain.slo.control.allocation import LEAST_ROOM, Parts, allocate, crowded, main_pool
from tokenfleet.domain.slo.control.cost_bound import too_dear
from tokenfleet.domain.slo.control.freezes import MAX_EPISODES, flapping, proof, thawed
from tokenfleet.domain.slo.control.load_ceilings import found_bad, loosened, outgrown, searching
from tokenfleet.domain.slo.control.memory import NO_OBJECTIVE, Decision, LoopMemory, State
from tokenfleet.domain.slo.control.timers import (
    CAREFUL_SHIFT,
    PART_OF_DWELL,
    PART_OF_HOLD,
    STEP,
    applied,
    failed_once_more,
    fallen,
    hold,
    lacks_replicas,
    lowered,
    may_rise,
    on_probation,
    raised,
    recent_episodes,
    taken_for_overload,
    tick,
)
from tokenfleet.domain.slo.control.transition import LoopInput, Move, Standby
from tokenfleet.domain.slo.observation.evidence import Trigger

Transition = Callable[[LoopMemory, LoopInput], Move | None]
BETA_SEVERE: Final = 0.5
"""Part of w that stays after a severe breach. Less overloads small fallbacks before T7 answers."""
BETA_MILD: Final = 0.75
"""Part of w that stays after a mild one."""
UNCHANGED: Final = 0.8
"""Where this part of the bad fraction is left after a shift, it does not depend on load."""
CRUMB: Final = 0.02
"""Part of the baseline; a full fallback is not given more by less than that."""


def advance(memory: LoopMemory, seen: LoopInput) -> tuple[LoopMemory, Decision | None]:
    """Move one loop by at most one transition.

    Returns:
        The new memory, equal to the old one where nothing happened, and the decision if one was
        taken.
    """
    held = tick(memory, seen)
    transitions = BLIND if _blind(seen) else BLIND + SEEING
    if held.state is State.FROZEN:
        transitions = BLIND if _blind(seen) else BLIND + FROZEN
    found = (transition(held, seen) for transition in transitions)
    move = next((move for move in found if move is not None), None)
    return applied(held, move, seen) if move is not None else (held, None)


def _blind(seen: LoopInput) -> bool:
    """P1: every vote is Unknown. Without votes there is nothing that would have to be seen."""
    return seen.voting and not seen.known


def no_fallback_left(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T11: what took the rest is gone; the next ones in the chain, or the primary, must."""
    if not memory.shifted:
        return None
    serving = {standby.pool for standby in seen.serving}
    lost = [pool for pool in memory.spread if pool not in serving]
    if not lost or (seen.ready == 0 and not serving):
        # With nobody ready there is no better place: leave the traffic where it is.
        return None
    known = {standby.pool for standby in seen.chain}
    note = "" if set(lost) <= known else "taken out of the rule"
    w, parts = allocate(memory.w, seen)
    free = [standby.pool for standby in seen.serving if standby.hourly == 0]
    if seen.ready == 0 and free:  # a full one is better than none
        w, parts = memory.w, {free[0]: round((1 - memory.w) * 1000)}
    if w >= 1:
        return replace(_home("T11"), pool=lost[0], note=note)
    return Move(name="T11", w=w, state=memory.state, pool=lost[0], parts=parts, note=note)


def primary_lost(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T1h: no endpoint to send to; no evidence from Prometheus is needed."""
    since = memory.empty_since
    if since is None or memory.w == 0 or seen.now - since < seen.policy.short / 2:
        return None
    usable = [standby for standby in seen.serving if not standby.bad]
    if not seen.asked or not usable:
        return None
    w, parts = crowded(*allocate(0.0, seen), usable, seen)
    if w >= memory.w:
        return None
    return Move(
        name="T1h",
        w=w,
        state=State.SHIFTED,
        pool=main_pool(parts),
        parts=parts,
        changes={"freeze_until": None, "cause": NO_OBJECTIVE},
    )


def idle(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T8: nobody is there; what was learned about load no longer holds."""
    since = memory.idle_since
    if since is None or seen.now - since < seen.policy.idle_reset or seen.ready == 0:
        return None
    return _home("T8") if memory.shifted else None


def no_vote(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T12: nobody asks for shifts any more; go home step by step."""
    if not seen.voting and memory.state is State.FROZEN and not memory.shifted:
        return _home("T12", freeze_until=None)
    if seen.voting or not memory.shifted or seen.ready == 0 or not may_rise(memory, seen):
        return None
    if memory.changed_at and seen.now - memory.changed_at < timedelta(seconds=memory.dwell):
        return None
    w = raised(memory, seen, ceiling=False)
    return _home("T12") if w >= 1 else Move(name="T12", w=w, state=State.RECOVERING)


def floor_raised(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """P2: the user changed the bounds; w follows, step by step."""
    if not 0 < memory.w < seen.policy.floor or not may_rise(memory, seen):
        return None
    if seen.age < seen.policy.dwell:
        return None
    w = min(seen.policy.floor, raised(memory, seen, ceiling=False))
    return Move(name="P2", w=w, state=memory.state)


def primary_returned(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T1r: endpoints again. Nothing was wrong with the load, so try it with a first step."""
    since = memory.filled_since
    if not seen.asked or memory.w > 0 or since is None or memory.cause != NO_OBJECTIVE:
        return None
    if seen.now - since < seen.policy.short / 2 or not may_rise(memory, seen):
        return None
    return Move(name="T1r", w=max(STEP, seen.policy.floor), state=State.RECOVERING)


def breach(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T1: the objective is being missed, the primary is why, and somebody can help."""
    trigger, probation = proof(memory, seen), on_probation(memory, seen)
    episodes = recent_episodes(memory, seen)
    if memory.state is not State.NORMAL or trigger is None or len(episodes) >= MAX_EPISODES:
        return None
    wanted = lowered(memory, seen, _beta(trigger, BETA_SEVERE))
    changes = {
        "bad_at": memory.w,
        "capacity_at_breach": seen.ready,
        "episodes": (*episodes, seen.now),
        "stable_since": None,
        "well_rate": None,
    }
    if not probation:  # else what came before is the last episode
        changes["dispersion"] = round(trigger.dispersion, 3)
    if probation:
        wanted = min(wanted, fallen(memory, seen))
        changes |= failed_once_more(memory, seen)
    elif seen.policy.stretched and not trigger.straight:
        changes |= taken_for_overload(memory, seen)
    # A failed attempt is tried again on a fallback at once, so the fraction that is proven to fail
    # is nothing new to it, whatever its capacity.
    careful = max(CAREFUL_SHIFT, trigger.lower if trigger.straight else 0.0)
    return _down("T1", trigger, allocate(wanted, seen, careful=careful), memory, **changes)


def recovery_failed(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T6: the last step up was one too many; remember where."""
    trigger = seen.still_bad
    if memory.state is not State.RECOVERING or trigger is None:
        return None
    if memory.w == 0:  # after a pin to nothing: what is seen is older than that
        return None
    changes = failed_once_more(memory, seen)
    changes["episodes"] = (*recent_episodes(memory, seen), seen.now)
    wanted = lowered(memory, seen, 0) if trigger.straight else fallen(memory, seen)
    return _down("T6", trigger, allocate(wanted, seen), memory, **changes)


def fallback_bad(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T7: a fallback is bad, and more so than the primary: to the next ones, or back."""
    if memory.state not in {State.SHIFTED, State.RECOVERING} or not memory.shifted:
        return None
    worst = next((s for s in seen.chain if s.worse is not None and s.used > 0), None)
    if worst is None or seen.ready == 0:
        return None
    if seen.age < seen.policy.settle or not may_rise(memory, seen):
        return None
    limits, keeps = found_bad(memory, worst, seen)
    left = replace(
        seen,
        chain=tuple(s if s.pool != worst.pool else _limited(s, keeps) for s in seen.chain),
    )
    w, parts = allocate(memory.w, left)
    changes: dict[str, Any] = {"limits": limits}
    if not searching(memory, worst):
        changes["episodes"] = (*recent_episodes(memory, seen), seen.now)
    if w >= 1:
        return replace(_home("T7", **changes), pool=worst.pool)
    return Move(name="T7", w=w, state=memory.state, pool=worst.pool, parts=parts, changes=changes)


def still_bad(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T2: the shift took effect and was not enough."""
    trigger = seen.still_bad
    if memory.state is not State.SHIFTED or trigger is None or not seen.fallback_helps:
        return None
    if seen.age < seen.policy.settle:
        return None
    unknown = any(s.used > 0 and s.least_kept is None for s in seen.chain)
    beta = _beta(trigger, BETA_SEVERE)
    if trigger.counts.ratio >= UNCHANGED * (memory.bad_level or 1.0) and not unknown:
        beta = 0.0
    wanted = lowered(memory, seen, beta)
    shared = allocate(wanted, seen)
    if shared[0] <= max(wanted, memory.w - LEAST_ROOM):
        return _down("T2", trigger, shared, memory)
    more, limits = loosened(memory, seen)
    shared = allocate(wanted, more)
    if shared[0] > max(wanted, memory.w - CRUMB):
        return None
    return _down("T2", trigger, shared, memory, limits=limits)


def first_step_back(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T3: proven well for long enough at a lower share: try a little more."""
    if memory.state is not State.SHIFTED or not may_rise(memory, seen):
        return None
    least = hold(memory, seen)
    if seen.age < seen.policy.settle or seen.age < least or lacks_replicas(memory, seen):
        return None
    if memory.w == 0:
        # Nobody is there to show whether it is well. After T1h or a pin T1r goes first.
        return _step("T3", memory, seen) if memory.cause != NO_OBJECTIVE else None
    well = seen.well_for >= min(PART_OF_HOLD * least, seen.longest)
    # Where so little comes that nothing is ever proved, a step is tried after the longest window.
    unseen = seen.age >= seen.longest and not seen.doubtful
    return _step("T3", memory, seen) if seen.still_bad is None and (well or unseen) else None


def next_step_back(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T4, T5: the last step was fine; go on, and be Normal at 1."""
    if memory.state is not State.RECOVERING or not may_rise(memory, seen):
        return None
    if seen.age < seen.policy.dwell or lacks_replicas(memory, seen):
        return None
    well = seen.well_for >= min(PART_OF_DWELL * seen.policy.dwell, seen.longest)
    return _step("T4", memory, seen) if well and seen.still_bad is None else None


BLIND: Final[tuple[Transition, ...]] = (no_fallback_left, primary_lost)
"""What Kubernetes' own facts are enough for."""
FROZEN: Final[tuple[Transition, ...]] = (too_dear, idle, no_vote, thawed)
"""What may happen in the state Frozen."""
SEEING: Final[tuple[Transition, ...]] = (
    too_dear,
    idle,
    no_vote,
    flapping,
    floor_raised,
    primary_returned,
    breach,
    recovery_failed,
    fallback_bad,
    still_bad,
    first_step_back,
    next_step_back,
)
"""The rest, in the order of the table."""


def _step(name: str, memory: LoopMemory, seen: LoopInput) -> Move | None:
    w = raised(memory, seen)
    if w <= memory.w:
        return None
    changes: dict[str, Any] = {"last_good": memory.w}
    if outgrown(memory, seen):
        changes |= {"bad_at": None, "bad_rate": None, "ceiling_until": None}
    if w >= 1:
        rate = round(seen.flow / seen.ready, 3) if seen.ready else None
        return _home("T5", stable_since=seen.now, well_rate=rate, **changes)
    return Move(name=name, w=w, state=State.RECOVERING, changes=changes)


def _home(name: str, **changes: object) -> Move:
    return Move(name=name, w=1.0, state=State.NORMAL, changes=changes)


def _down(
    name: str, trigger: Trigger, shared: tuple[float, Parts], memory: LoopMemory, **changes: object
) -> Move | None:
    """Give as much away as was shared out; None where that is nothing."""
    w, parts = shared
    if w >= memory.w:
        return None
    return Move(
        name=name,
        w=w,
        state=State.SHIFTED,
        trigger=trigger,
        pool=main_pool(parts),
        parts=parts,
        changes={**changes, "bad_level": round(trigger.counts.ratio, 3)},
    )


def _limited(standby: Standby, keeps: float) -> Standby:
    """Return a fallback that may get no more than this part of the baseline, however it does."""
    return replace(standby, worse=None, bad=True, used=keeps)


def _beta(trigger: Trigger, severe: float) -> float:
    """Return the part of w that stays after a proof."""
    if trigger.straight:
        return 0.0
    return severe if trigger.severe else BETA_MILD
