"""Level objectives: what an answer costs, and how much of its prompt was cached.

They have no good and bad attempts, only a mean over a window W (15 short windows, 15 min by
default): the cost of a request, or the part of the prompt that was not cached, so that more is
always worse. They move less traffic, and later, than other objectives do. Each holds a backend at a
w of its own beside the w of the control loop, of which the smaller one counts, and it moves only
while the control loop of the rule is at rest: it never fights a latency or error vote.

A step is 0.1, at most one per W, and none within W of any other change of share: a shift itself
empties prefix caches, and W still holds the traffic of before. Where a cost is *clearly* too high
(`clear_cost`), V = 4 short windows take the place of W for steps down. The first whose guard holds:

    ====  ===============  ===========================================  =========================
    name  from             guard                                        does
    ====  ===============  ===========================================  =========================
    L1    w < 1            the fallback has no ready replica            next fallback, else w = 1
    L2    w < 1            no level objective asks for shifts           step up every dwell
    L3    w < 1            W without a request                          w = 1
    L7    w < 1            what is shifted costs more per hour than it  step up as far as needed
                           may, or the fallback lost its price
    L4    w < 1            the fallback is bad by latency or errors     step up every settle
    L5    w above floor    above 1.05 x limit for two W in a row, or    step down
                           clearly above it for two V in a row; the
                           fallback would help and has room
    L6    w < 1            every level below 0.95 x limit, and the      step up
                           step is not expected to pass the limit
    ====  ===============  ===========================================  =========================

L5 and L6 wait while anything cannot be seen, while a router has not acknowledged the last change,
and while a latency or error vote moves the rule or is not healthy on its backends.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.domain.slo.control.cost_bound import over_words, unpriced_words
from tokenfleet.domain.slo.control.cost_ledger import UNPRICED, Purse
from tokenfleet.domain.slo.control.memory import REST, Decision, LoopMemory
from tokenfleet.domain.slo.control.transition import Standby
from tokenfleet.domain.slo.control.votes import LevelVote
from tokenfleet.domain.slo.objectives.spec import Policy

LEVEL_STEP: Final = 0.1
"""Part of the baseline that one step moves: at 15 min a step, small enough to be watched."""
LEAST_STEP: Final = 0.01
"""Where floor and fallback leave less, nothing moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelInput:
    """Everything one decision about the level of one backend depends on."""

    now: datetime
    policy: Policy
    votes: tuple[LevelVote, ...]
    """Of the objectives that ask for shifts, by name."""
    window: timedelta
    """The longest W of the votes; 0 without votes."""
    clear_window: timedelta = timedelta(0)
    """The longest V of the votes; 0 without votes."""
    resting: bool
    """The control loop of the rule is at rest, and every vote of it sees and is healthy."""
    changed_at: datetime | None
    """When the control loop last changed the rule; None: never."""
    acknowledged_at: datetime | None
    """When all ready routers had the newest configuration; None: not yet."""
    ready: int
    """Ready replicas of the primary."""
    standby: Standby | None
    """None: the rule has no fallback."""
    purse: Purse | None = None
    """What may be spent at External pools; None: nothing limits it."""

    @property
    def least_paid(self) -> float:
        """Return the least w whose rest may be paid for at the fallback; 0 where nothing limits."""
        if self.purse is None or self.standby is None or self.standby.hourly == 0:
            return 0.0
        return max(0.0, 1.0 - self.standby.buys(self.purse.allowance))


Step = tuple[LoopMemory, Decision]


def advance_level(level: LoopMemory, seen: LevelInput) -> tuple[LoopMemory, Decision | None]:
    """Move the level of one backend by at most one step; equal memory where nothing happened."""
    if level.changed_at is not None and level.changed_at > seen.now:
        level = replace(level, changed_at=seen.now)  # the clock went back
    # Without a primary there is nothing better than to leave the traffic where it is.
    possible = TRANSITIONS if seen.ready else (too_dear,)
    found = (transition(level, seen) for transition in possible)
    return next((step for step in found if step is not None), (level, None))


def lost(level: LoopMemory, seen: LevelInput) -> Step | None:
    """L1: what took the rest is gone."""
    if not level.shifted:
        return None
    standby = seen.standby
    if standby is None or standby.ready == 0:
        return _moved("L1", 1.0, level, seen)
    w = max(level.w, seen.least_paid)
    return _moved("L1", w, level, seen) if standby.pool != level.fallback else None


def unasked(level: LoopMemory, seen: LevelInput) -> Step | None:
    """L2: nobody asks any more; go home step by step."""
    if not level.shifted or seen.votes or not _waited(seen.policy.dwell, level, seen):
        return None
    return _moved("L2", level.w + LEVEL_STEP, level, seen)


def idle(level: LoopMemory, seen: LevelInput) -> Step | None:
    """L3: nobody is there."""
    if not level.shifted or not seen.votes or not all(vote.idle for vote in seen.votes):
        return None
    return _moved("L3", 1.0, level, seen)


def too_dear(level: LoopMemory, seen: LevelInput) -> Step | None:
    """L7: money that is spent does not come back, so no clock is waited for."""
    if not level.shifted or seen.purse is None or seen.standby is None:
        return None
    if seen.standby.hourly is None:
        return None
    unpriced = seen.standby.hourly == UNPRICED
    w = math.ceil(1000 * seen.least_paid - 1e-6) / 1000
    if w <= level.w or not (unpriced or seen.purse.over):
        return None
    words = unpriced_words(seen.standby.pool) if unpriced else over_words(seen.purse.limit)
    moved, decision = _moved("L7", w, level, seen)
    decision = replace(decision, note=words)
    return replace(moved, last=decision), decision


def yielding(level: LoopMemory, seen: LevelInput) -> Step | None:
    """L4: a latency or error vote would not have the fallback."""
    if not level.shifted or seen.standby is None or not seen.standby.bad:
        return None
    if not _waited(seen.policy.settle, level, seen):
        return None
    return _moved("L4", level.w + LEVEL_STEP, level, seen)


def over(level: LoopMemory, seen: LevelInput) -> Step | None:
    """L5: too much for two windows in a row, and the fallback would help."""
    vote = max(
        (vote for vote in seen.votes if vote.bad),
        key=lambda vote: (vote.excess, vote.objective),
        default=None,
    )
    standby = seen.standby
    if vote is None or standby is None or not standby.ok:
        return None
    if not _may_move(level, seen, seen.clear_window if vote.clear else seen.window):
        return None
    paid = seen.least_paid
    w = max(seen.policy.floor, level.w - LEVEL_STEP, standby.least_kept or 0.0, paid)
    return _moved("L5", w, level, seen, vote) if level.w - w >= LEAST_STEP else None


def under(level: LoopMemory, seen: LevelInput) -> Step | None:
    """L6: little enough that a step back should fit."""
    if not level.shifted or not seen.votes or not _may_move(level, seen, seen.window):
        return None
    if not all(vote.healthy for vote in seen.votes):
        return None
    return _moved("L6", level.w + LEVEL_STEP, level, seen, seen.votes[0])


TRANSITIONS: Final = (lost, unasked, idle, too_dear, yielding, over, under)
"""In the order of the table."""


def _may_move(level: LoopMemory, seen: LevelInput, window: timedelta) -> bool:
    acknowledged, changed = seen.acknowledged_at, level.changed_at
    return (
        seen.resting
        and all(vote.known for vote in seen.votes)
        and acknowledged is not None
        and (changed is None or acknowledged >= changed)
        and _waited(window, level, seen)
        and (seen.changed_at is None or seen.now - seen.changed_at >= window)
    )


def _waited(wait: timedelta, level: LoopMemory, seen: LevelInput) -> bool:
    return level.changed_at is None or seen.now - level.changed_at >= wait


def _moved(
    name: str, w: float, level: LoopMemory, seen: LevelInput, vote: LevelVote | None = None
) -> Step:
    w = min(1.0, round(w, 3))
    fallback = seen.standby.pool if seen.standby is not None else ""
    decision = Decision(
        transition=name,
        at=seen.now,
        from_w=round(level.w * 1000),
        to_w=round(w * 1000),
        objective=vote.objective if vote is not None else "",
        window=_judged_by(vote, seen),
        pool=fallback,
        note=vote.text if vote is not None else "",
    )
    kept = fallback if w < 1 else ""
    return replace(REST, w=w, fallback=kept, changed_at=seen.now, last=decision), decision


def _judged_by(vote: LevelVote | None, seen: LevelInput) -> int:
    """Return the seconds of the window that a step was judged by; 0 where none was."""
    if vote is None:
        return 0
    return round((seen.clear_window if vote.clear else seen.window).total_seconds())
