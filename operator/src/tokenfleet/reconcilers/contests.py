"""Contests: children that somebody else changes as often as we apply them.

A change is healed at once. One that comes back within `MEMORY` is healed later and later, up to
`LONGEST`, and told: two writers that answer each other at once would keep the API server busy
with nothing.

    1st      at once
    2nd      after 5 s, told from here on
    3rd ...  after 20 s, 80 s, 5 min, 5 min ...
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.ports import Clock, PortError

MEMORY: Final = timedelta(minutes=15)
"""Time without a change after which the next one is the first again; three times `LONGEST`."""

FIRST: Final = timedelta(seconds=5)
GROWTH: Final = 4
LONGEST: Final = timedelta(minutes=5)


class ContestedError(PortError):
    """Somebody else keeps changing fields that are ours.

    Attributes:
        news: it has changed them once more since this was said last.
    """

    news = False


@dataclass(slots=True)
class _Contest:
    changes: int
    """Changes by others, each within `MEMORY` of the one before."""
    last: datetime
    """When the last one was seen."""
    healed: bool = False
    told: int = 0
    """Changes that were told of."""
    rivals: str = "somebody"

    @property
    def pause(self) -> timedelta:
        """Time between a change and its healing."""
        if self.changes < 2:  # noqa: PLR2004 - the first one is healed at once
            return timedelta()
        factor: int = GROWTH ** min(self.changes - 2, 8)
        return min(LONGEST, FIRST * factor)


class Contests:
    """What is known of them."""

    def __init__(self, clock: Clock) -> None:
        """Start without any."""
        self._clock = clock
        self._contests: dict[ObjectKey, _Contest] = {}

    def changed(self, key: ObjectKey) -> bool:
        """Note that a child is not as applied; return whether it is to be healed now."""
        now, contest = self._clock.now(), self._contests.get(key)
        if contest is None or now - contest.last > MEMORY:
            contest = self._contests[key] = _Contest(1, now)
        elif contest.healed:
            contest.changes, contest.last, contest.healed = contest.changes + 1, now, False
        return now - contest.last >= contest.pause

    def repeated(self, key: ObjectKey) -> bool:
        """Tell whether it is time to find out who the other one is."""
        contest = self._contests.get(key)
        return contest is not None and contest.changes > 1

    def healed(self, key: ObjectKey, rivals: str = "") -> None:
        """Note that a child has been applied again."""
        contest = self._contests.get(key)
        if contest is not None:
            contest.healed = True
            contest.rivals = rivals or contest.rivals

    def forget(self, key: ObjectKey) -> None:
        """Drop what is known of a child that the operator itself has taken away."""
        self._contests.pop(key, None)

    def check(self, key: ObjectKey) -> None:
        """Tell of a contest that goes on.

        Raises:
            ContestedError: it does; `retry_after` says when to look again.
        """
        now, contest = self._clock.now(), self._contests.get(key)
        if contest is None or contest.changes < 2:  # noqa: PLR2004 - one change is no contest
            return
        over = contest.last + MEMORY
        if now >= over:
            del self._contests[key]
            return
        due = over if contest.healed else contest.last + contest.pause
        msg = (
            f"{contest.rivals}, and the operator applies it again: {contest.changes} times so far,"
            f" each time later, up to {LONGEST // timedelta(minutes=1)} min; let one of the two"
            " leave these fields alone"
        )
        error = ContestedError(msg, retry_after=max(due - now, timedelta(seconds=1)))
        error.news, contest.told = contest.changes > contest.told, contest.changes
        raise error
