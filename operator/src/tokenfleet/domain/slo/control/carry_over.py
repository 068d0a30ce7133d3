"""An edit in the middle of a shift: traffic stays, and steps to the new rule from where it is.

    before the edit  |llllllll|ffffffffffff|     weights l=1
    after it         |llll|mmmm|ffffffffffff|    weights l=1 m=1
    steps later      |llllllllll|mmmmmmmmmm|     as written

Only what has to move moves at once: what a backend had beyond its new weight, and what pools had
that the rule does not name any more. That goes to ready backends that nothing was shifted away
from, up to their new weights, and the rest to the fallback. A backend that traffic was shifted away
from never gets more than it had; one that is new begins with a tenth at least. Every backend that
is below its new weight then steps up as after any shift: while all is well, and as fast as a
recovery may.

Where nothing is shifted an edit acts at once, as anybody expects; so does a pin.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tokenfleet.domain.slo.control.allocation import WHOLE
from tokenfleet.domain.slo.control.memory import (
    NO_OBJECTIVE,
    REST,
    Decision,
    LoopMemory,
    RuleMemory,
    State,
)
from tokenfleet.domain.slo.control.rule_step import pin_of, shares_of
from tokenfleet.domain.slo.control.shares import apportion, baseline
from tokenfleet.domain.slo.control.timers import STEP
from tokenfleet.domain.slo.objectives.spec import Policy
from tokenfleet.domain.slo.observation.measurement import RuleTarget

EDITED = "P3"
"""The transition."""

Carried = tuple[RuleMemory, dict[str, Decision]]
"""Memory after the edit, and backend -> what was decided about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A rule as it is now, and where its traffic is."""

    rule: RuleTarget
    memory: RuleMemory
    running: Mapping[str, int]
    """Pool -> buckets that it has now, whether or not the rule still names it."""
    ready: Mapping[str, int]
    """Pool -> ready replicas."""
    now: datetime


def carried_over(edit: Edit) -> Carried:
    """Return the memory under which the edited rule leaves traffic where it is."""
    rule, memory = edit.rule, edit.memory
    kept = {pool: memory.kept(pool) for pool in rule.backends}
    if not _shifted(memory) or pin_of(rule, edit.now) is not None or not edit.running:
        return memory, {}
    if _used(shares_of(rule, memory)) == _used(edit.running):
        return memory, {}
    helper = _helper(edit, kept)
    if not helper:
        return memory, {}  # Nobody may hold what is not given back: the weights as written.
    seats = _seats(edit, kept)
    loops, levels, decisions = dict(memory.loops), dict(memory.levels), {}
    for pool, whole in baseline(rule.backends).items():
        # Rounding to whole buckets must not raise what was shifted away.
        w = min(kept[pool].w, round(seats[pool] / whole, 3)) if whole else kept[pool].w
        if w == kept[pool].w:
            continue
        decision = _decision(kept[pool], w, helper, edit.now)
        decisions[pool] = decision
        loop, level = loops.get(pool, REST), levels.get(pool, REST)
        if level.shifted:
            levels[pool] = replace(level, w=w, changed_at=decision.at, last=decision)
        if loop.shifted or not level.shifted:
            loops[pool] = _moved(loop, w, helper, decision)
    return replace(memory, loops=loops, levels=levels), decisions


def _shifted(memory: RuleMemory) -> bool:
    return any(loop.shifted for loop in (*memory.loops.values(), *memory.levels.values()))


def _used(shares: Mapping[str, int]) -> dict[str, int]:
    return {pool: share for pool, share in shares.items() if share}


def _helper(edit: Edit, kept: Mapping[str, LoopMemory]) -> str:
    """Return the fallback that holds what is not given back yet; empty where there is none."""
    loops = (*kept.values(), *edit.memory.loops.values())
    present = [loop.fallback for loop in loops if loop.shifted]
    named = [pool for pool in edit.rule.fallbacks if pool not in edit.rule.backends]
    able = [pool for pool in (*present, *named) if pool in named and edit.ready.get(pool)]
    return next(iter(able), "")


def _seats(edit: Edit, kept: Mapping[str, LoopMemory]) -> dict[str, int]:
    """Return the buckets that each backend has after the edit."""
    written = baseline(edit.rule.backends)
    sound = [p for p in written if not kept[p].shifted and edit.ready.get(p)]
    seats = {}
    for pool, whole in written.items():
        had = edit.running.get(pool, 0)
        if pool in sound or pool not in edit.running:
            # New to the rule: as careful as with one that has just come back.
            had = max(had, round(whole * STEP) if edit.ready.get(pool) else 0)
        seats[pool] = min(had, round(whole * kept[pool].w))
    fallbacks = (pool for pool in edit.rule.fallbacks if pool not in written)
    homeless = sum(edit.running.values()) - sum(edit.running.get(p, 0) for p in fallbacks)
    homeless -= sum(seats[pool] for pool in written)
    for pool in sound:
        taken = max(0, min(homeless, written[pool] - seats[pool]))
        seats[pool] += taken
        homeless -= taken
    return seats


def _moved(loop: LoopMemory, w: float, helper: str, decision: Decision) -> LoopMemory:
    """Return a loop at another part of another weight."""
    state = loop.state if loop.shifted else State.RECOVERING
    fallback = loop.fallback or helper
    rest = {pool: float(part) for pool, part in loop.parts.items()}
    parts = apportion(rest, WHOLE - round(w * WHOLE)) if rest else {}
    kept = replace(loop, state=state, w=w, fallback=fallback, parts=parts)
    return started_anew(kept, decision)


def started_anew(loop: LoopMemory, decision: Decision) -> LoopMemory:
    """Return a shifted loop whose clocks start with the routers' acknowledgement of an edit."""
    policy, now = Policy(), decision.at
    return replace(
        loop,
        cause=loop.cause or NO_OBJECTIVE,
        dwell=loop.dwell or round(policy.dwell / timedelta(seconds=1)),
        changed_at=now,
        awaiting=True,
        effective_at=None,
        last=decision,
    )


def _decision(loop: LoopMemory, w: float, helper: str, now: datetime) -> Decision:
    return Decision(
        transition=EDITED,
        at=now.replace(microsecond=0),
        from_w=round(loop.w * 1000),
        to_w=round(w * 1000),
        pool=loop.fallback or helper,
    )
