"""Helpless: a primary is bad, and no fallback can take more of what it gets.

A proof stands until the look that made it is repeated. Windows are looked at in turn
(`Windows.due`), so at most ticks the one that proves it is not among those that were asked for, and
what was proved would come and go with the turns. A share that is too young to be judged is no look
either.

    this tick                                   helpless
    ==========================================  ====================================
    bad, and no fallback helps                  yes
    bad, and a fallback helps                   no: a shift follows
    not bad, and a window as long was judged    no
    anything else                               as before
    nobody votes; w is at the floor             no
"""

from datetime import timedelta

from tokenfleet.domain.slo.control.allocation import LEAST_ROOM
from tokenfleet.domain.slo.control.memory import LoopMemory
from tokenfleet.domain.slo.control.transition import LoopInput


def helpless_for(loop: LoopMemory, seen: LoopInput) -> int:
    """Return the seconds of the window that proves it; 0: the loop is not helpless.

    Args:
        loop: after the step of this tick.
        seen: what the step was decided by.
    """
    if not seen.voting or loop.w <= seen.policy.floor:
        return 0
    proof = seen.breach or seen.still_bad
    if proof is None:
        over = seen.judged >= timedelta(seconds=loop.helpless)
        return 0 if over and seen.known else loop.helpless
    if _helped(seen):
        return 0
    return loop.helpless or round(proof.window.total_seconds())


def _helped(seen: LoopInput) -> bool:
    more = (seen.spare(standby) for standby in seen.chain if standby.ok)
    return seen.fallback_helps and max(more, default=0.0) >= LEAST_ROOM
