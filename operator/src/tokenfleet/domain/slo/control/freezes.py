"""Freezes: a loop that changed its mind too often moves nothing for a while, and says so.

    ====  ============================================  =============================
    from  when                                          until
    ====  ============================================  =============================
    away  more than 4 changes of mind within an hour    an hour has passed
    home  a shift is due, and 4 came within an hour     the first of these is an hour
                                                        old: then the shift is made
    ====  ============================================  =============================

At home nothing but the next shift is held back. Without a freeze that would be silent: the state
would be Normal while users wait for a shift that is not made.
"""

from datetime import datetime
from typing import Any, Final

from tokenfleet.domain.slo.control.memory import LoopMemory, State
from tokenfleet.domain.slo.control.timers import (
    EPISODE_WINDOW,
    on_probation,
    passed,
    recent_episodes,
)
from tokenfleet.domain.slo.control.transition import LoopInput, Move
from tokenfleet.domain.slo.observation.evidence import Trigger

MAX_EPISODES: Final = 4
"""Changes of mind per hour; more is flapping, and flapping is frozen for people to look at."""


def proof(memory: LoopMemory, seen: LoopInput) -> Trigger | None:
    """Return what would shift the primary's traffic; on probation less is needed to believe it."""
    return seen.breach or (seen.still_bad if on_probation(memory, seen) else None)


def flapping(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T9: too many shifts; move nothing and call a human."""
    recent = recent_episodes(memory, seen)
    if memory.state is State.NORMAL:
        if len(recent) < MAX_EPISODES or proof(memory, seen) is None or not seen.ok:
            return None
        until = recent[-MAX_EPISODES] + EPISODE_WINDOW
        return _frozen(memory, until, str(len(recent)))
    if memory.state is State.FROZEN or len(recent) <= MAX_EPISODES:
        return None
    return _frozen(memory, seen.now + EPISODE_WINDOW, "")


def thawed(memory: LoopMemory, seen: LoopInput) -> Move | None:
    """T10: the freeze is over."""
    if not passed(memory.freeze_until, seen):
        return None
    changes: dict[str, Any] = {"freeze_until": None, "episodes": ()}
    if memory.shifted:
        return Move(name="T10", w=memory.w, state=State.SHIFTED, changes=changes)
    changes["episodes"] = recent_episodes(memory, seen)
    return Move(name="T10", w=memory.w, state=State.NORMAL, changes=changes)


def _frozen(memory: LoopMemory, until: datetime, note: str) -> Move:
    return Move(
        name="T9", w=memory.w, state=State.FROZEN, changes={"freeze_until": until}, note=note
    )
