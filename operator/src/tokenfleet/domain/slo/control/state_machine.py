"""The control state machine: one loop per rule and primary pool.

w is the part of the primary's baseline that it still gets; the rest goes to the fallback.

                  T1, T1h                            T3, T1r
    +--------+ ------------> +---------+ --------------------------> +------------+
    | Normal |               | Shifted |                             | Recovering |
    +--------+ <------------ +---------+ <-------------------------- +------------+
        ^      T7, T8, T11,   |       ^              T6                |    |
        |      T12            | T9    | T10                         T9 |    | T5, T7, T8,
        |                     v       |                                |    | T11, T12
        |                    +---------+ <-----------------------------+    |
        +------------------- | Frozen  |                                    |
        |    T8, T10, T12    +---------+                                    |
        +-------------------------------------------------------------------+

Inside a state: T2, T7, T11, P2 (Shifted), T4, T7, T11, T12, P2 (Recovering); T1h leads from every
state to Shifted, T12 from every shifted one to Recovering and on to Normal.

One transition per tick; the first whose guard holds:

    ====  ===================  =====================================  ===========================
    name  from                 guard                                  does
    ====  ===================  =====================================  ===========================
    P0    any                  the user pins shares (rule_step.py)    exactly as pinned
    T11   any with w < 1       the fallback has no ready replica      next fallback, else w = 1
    T1h   any                  primary without endpoint for short/2,  w = 0
                               fallback ok
    P1    any                  no vote can see                        hold; clocks stand still
    T8    any but Normal       rule without traffic for idleReset     w = 1
    T12   any but Normal       no objective that asks is heard        step up every dwell
    T9    Shifted, Recovering  more than 4 episodes within an hour    freeze for an hour
    T10   Frozen               the hour has passed                    go on
    P2    w below floor        the user raised the floor              step up every dwell
    P3    any with w < 1       the user edited the rule               traffic stays (carry_over.py)
    P4    -                    the rule takes the place of another    w as that one had it
    T1r   w = 0                endpoints are back for short/2         first step up
    T1    Normal               fast or slow breach (on probation:     w down
                               bad), fallback ok, under 4 episodes
    T6    Recovering           0.75 short after a step: primary bad   w down, ceiling, back off
    T7    Shifted, Recovering  settled; fallback bad, primary less    step up
    T2    Shifted              settled; primary bad, w above floor    w down
    T3    Shifted              settled; healthy for hold; replicas    step up
    T4    Recovering           dwelt; healthy; replicas               step up
    T5    Recovering           as T4, and the step reaches 1          Normal, on probation
    ====  ===================  =====================================  ===========================

w goes down to `max(floor, w * beta, g)` with g the least w that the fallback can bear; errors do
not depend on load, so their beta is 0: straight to the floor. A step up is at least 0.10 and at
most 0.25; under a ceiling (after a failed recovery) it ends short of the load that was bad
(load_ceilings.py). Bad means the short window beyond the slow limit; a share that lasted for the
whole long window is bad as soon as that window is provably beyond the budget (T2, T6). Normal after
a recovery is probation: within 2 * maxHold being bad is a breach and counts as a failed recovery.
Each failure in a row doubles the hold and the life of the ceiling. The numbers and where they come
from are in timers.py and in the control-loop page.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from tokenfleet.domain.slo.control.load_ceilings import crowded, outgrown
from tokenfleet.domain.slo.control.memory import NO_OBJECTIVE, Decision, LoopMemory, State
from tokenfleet.domain.slo.control.timers import (
    BETA_FAST,
    BETA_SLOW,
    CAREFUL_SHIFT,
    EPISODE_WINDOW,
    MAX_EPISODES,
    SLOW_RECOVERY,
    STEP,
    applied,
    failed_once_more,
    fallen,
    guard,
    hold,
    just_changed,
    lacks_replicas,
    lowered,
    may_rise,
    on_probation,
    passed,
    raised,
    recent_episodes,
    tick,
)
from tokenfleet.domain.slo.control.transition import LoopInput, Move
from tokenfleet.domain.slo.observation.evidence import Trigger

Transition = Callable[[LoopMemory, LoopInput], Move | None]
NOW: Final = timedelta(0)


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
    """T11: what took the rest is gone; the next one in the chain, or the primary, must."""
    if not memory.shifted or seen.ready == 0:
        # With nobody ready there is no better place: leave the traffic where it is.
        return _next_fallback(memory, seen) if memory.shifted else None
    if seen.standby is None or seen.standby.ready == 0:
        return _home("T11")
    return _next_fallback(memory, seen)


def _next_fallback(memory: LoopMemory, seen: LoopInput) -> Move | None:
    standby = seen.standby
    if standby is None or standby.ready == 0 or memory.fallback == standby.pool:
        return None
    w = memory.w if seen.ready == 0 else max(memory.w, guard(seen))
    if w >= 1:
        return _home("T11")
    changes = {"fallback": standby.pool}
    return Move(name="T11", w=w, state=memory.state, pool=standby.pool, changes=changes)


def primary_lost(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T1h: no endpoint to send to; no evidence from Prometheus is needed."""
    since = memory.empty_since
    if since is None or memory.w == 0 or seen.now - since < seen.policy.short / 2:
        return None
    standby = seen.standby  # a full one is better than none
    if not seen.asked or standby is None or standby.ready == 0 or standby.bad:
        return None
    return Move(
        name="T1h",
        w=0.0,
        state=State.SHIFTED,
        pool=_standby(seen),
        changes={"fallback": _standby(seen), "freeze_until": None, "cause": NO_OBJECTIVE},
    )


def idle(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T8: nobody is there; what was learned about load no longer holds."""
    since = memory.idle_since
    if since is None or seen.now - since < seen.policy.idle_reset or seen.ready == 0:
        return None
    return _home("T8")


def no_vote(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T12: nobody asks for shifts any more; go home step by step."""
    if seen.voting or not memory.shifted or seen.ready == 0 or not may_rise(memory, seen):
        return None
    if memory.changed_at and seen.now - memory.changed_at < timedelta(seconds=memory.pace):
        return None
    w = raised(memory, seen, ceiling=False)
    return _home("T12") if w >= 1 else Move(name="T12", w=w, state=State.RECOVERING)


def flapping(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T9: too many shifts; stand still and call a human."""
    if memory.state not in {State.SHIFTED, State.RECOVERING}:
        return None
    if len(recent_episodes(memory, seen)) <= MAX_EPISODES:
        return None
    changes = {"freeze_until": seen.now + EPISODE_WINDOW}
    return Move(name="T9", w=memory.w, state=State.FROZEN, changes=changes)


def thawed(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T10: the freeze is over."""
    if not passed(memory.freeze_until, seen):
        return None
    state = State.SHIFTED if memory.shifted else State.NORMAL
    return Move(name="T10", w=memory.w, state=state, changes={"freeze_until": None, "episodes": ()})


def floor_raised(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """P2: the user changed the bounds; w follows, step by step."""
    if not 0 < memory.w < seen.policy.floor or not may_rise(memory, seen):
        return None
    if not passed(memory.dwell_until, seen):
        return None
    w = min(seen.policy.floor, raised(memory, seen, ceiling=False))
    return Move(name="P2", w=w, state=memory.state)


def primary_returned(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T1r: endpoints again. Nothing was wrong with the load, so try it with a first step."""
    since = memory.filled_since
    if not seen.asked or memory.w > 0 or since is None or seen.now - since < seen.policy.short / 2:
        return None
    if not may_rise(memory, seen):
        return None
    return Move(name="T1r", w=max(STEP, seen.policy.floor), state=State.RECOVERING)


def _of_this_share(
    trigger: Trigger | None, memory: LoopMemory, seen: LoopInput, *, after: timedelta = NOW
) -> Trigger | None:
    """Return the proof if all of its window lies so long after the last change of share.

    Else it still holds the attempts of the episode that has just ended, and would start the next
    one with them. The fast window is short enough to be covered by the dwell of the recovery.
    """
    since = memory.changed_at
    if trigger is None or (since is not None and seen.now - since < trigger.window + after):
        return None
    return trigger


def breach(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T1: the objective is being missed, the primary is why, and somebody can help."""
    trigger = seen.fast or _of_this_share(seen.slow, memory, seen)
    if on_probation(memory, seen):  # it was bad an hour ago: less is needed to believe it again
        trigger = trigger or _of_this_share(seen.probe_bad, memory, seen)
    if memory.state is not State.NORMAL or trigger is None or not _standby_ok(seen):
        return None
    episodes = recent_episodes(memory, seen)
    if len(episodes) >= MAX_EPISODES or just_changed(memory, seen):
        return None
    w = lowered(memory, seen, _beta(trigger, seen))
    changes = {
        "fallback": _standby(seen),
        "bad_at": memory.w,
        "capacity_at_breach": seen.ready,
        "episodes": (*episodes, seen.now),
        "stable_since": None,
    }
    if on_probation(memory, seen):
        w = min(w, fallen(memory, seen))
        changes |= failed_once_more(memory, seen)
    if w >= memory.w:  # the fallback has no room
        return None
    return Move(
        name="T1",
        w=w,
        state=State.SHIFTED,
        trigger=trigger,
        pool=_standby(seen),
        changes=changes,
    )


def recovery_failed(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T6: the last step up was one too many; remember where."""
    trigger = None if just_changed(memory, seen) else seen.probe_bad
    trigger = trigger or _of_this_share(seen.over_budget, memory, seen)
    if memory.state is not State.RECOVERING or trigger is None or not _standby_ok(seen):
        return None
    if memory.w == 0:  # after a pin to nothing: what is seen is older than that
        return None
    changes = failed_once_more(memory, seen)
    changes["episodes"] = (*recent_episodes(memory, seen), seen.now)
    return Move(
        name="T6",
        w=lowered(memory, seen, 0) if trigger.straight else fallen(memory, seen),
        state=State.SHIFTED,
        trigger=trigger,
        pool=_standby(seen),
        changes=changes,
    )


def fallback_bad(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T7: the fallback suffers more than the primary does: give some back."""
    if memory.state not in {State.SHIFTED, State.RECOVERING} or not 0 < memory.w < 1:
        return None
    if not seen.fallback_suffers_more:
        return None
    if not passed(memory.settle_until, seen) or not may_rise(memory, seen):
        return None
    w = round(memory.w + STEP, 3)
    changes = crowded(seen)
    if w >= 1:
        return _home("T7", stable_since=seen.now, **changes)
    return Move(name="T7", w=w, state=memory.state, pool=_standby(seen), changes=changes)


def still_bad(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T2: the shift took effect and was not enough."""
    lasting = _of_this_share(seen.over_budget, memory, seen, after=seen.policy.settle)
    trigger = seen.probe_bad or lasting
    if memory.state is not State.SHIFTED or trigger is None or not _standby_ok(seen):
        return None
    beta = BETA_FAST if seen.probe_bad is not None else BETA_SLOW
    w = lowered(memory, seen, 0 if trigger.straight else beta)
    if not passed(memory.settle_until, seen) or w >= memory.w:
        return None
    return Move(
        name="T2",
        w=w,
        state=State.SHIFTED,
        trigger=trigger,
        pool=_standby(seen),
    )


def first_step_back(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T3: healthy for long enough at a lower share: try a little more."""
    if memory.state is not State.SHIFTED or memory.w == 0 or not may_rise(memory, seen):
        return None
    since = memory.healthy_since
    if since is None or not passed(memory.settle_until, seen):
        return None
    least = hold(memory, seen)
    if not seen.sufficient:
        least = max(least, SLOW_RECOVERY * seen.policy.dwell)
    if seen.now - since < least or lacks_replicas(memory, seen):
        return None
    return _step("T3", memory, seen)


def next_step_back(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T4, T5: the last step was fine; go on, and be Normal at 1."""
    if memory.state is not State.RECOVERING or not seen.healthy or not may_rise(memory, seen):
        return None
    if not passed(memory.dwell_until, seen) or lacks_replicas(memory, seen):
        return None
    longer = (SLOW_RECOVERY - 1) * seen.policy.dwell
    if not seen.sufficient and seen.now - (memory.dwell_until or seen.now) < longer:
        return None
    return _step("T4", memory, seen)


BLIND: Final[tuple[Transition, ...]] = (no_fallback_left, primary_lost)
"""What Kubernetes' own facts are enough for."""
FROZEN: Final[tuple[Transition, ...]] = (idle, no_vote, thawed)
"""What may happen in the state Frozen."""
SEEING: Final[tuple[Transition, ...]] = (
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
        return _home("T5", stable_since=seen.now, **changes)
    return Move(name=name, w=w, state=State.RECOVERING, changes=changes)


def _home(name: str, **changes: object) -> Move:
    return Move(name=name, w=1.0, state=State.NORMAL, changes=changes)


def _beta(trigger: Trigger, seen: LoopInput) -> float:
    """Return the part of w that stays after a breach.

    A failed attempt is tried again on the fallback at once, so the fraction that is proven to fail
    is nothing new to a fallback, whatever its capacity.
    """
    beta = BETA_FAST if seen.fast is not None else BETA_SLOW
    beta = 0.0 if trigger.straight else beta
    unknown = seen.standby is not None and seen.standby.least_kept is None
    careful = max(CAREFUL_SHIFT, trigger.counts.lower if trigger.straight else 0.0)
    return max(beta, 1 - careful) if unknown else beta


def _standby_ok(seen: LoopInput) -> bool:
    return seen.standby is not None and seen.standby.ok


def _standby(seen: LoopInput) -> str:
    return seen.standby.pool if seen.standby is not None else ""
