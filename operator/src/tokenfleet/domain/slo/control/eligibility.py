"""Eligibility: which of the objectives that ask for shifts are heard.

    an objective that              is heard
    =============================  =============================================
    sees                           yes, once it has had attempts to judge
    has never had attempts         no: a typo must not block a route for ever
    is Unknown up to `PATIENCE`    yes: it holds the share where it is
    is Unknown for longer          only if the present shift is its own, or was
                                   made without any objective (no endpoints, a
                                   pin): nobody else can say that it is over

Who is not heard neither lowers nor raises a share, nor keeps others from raising it.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.domain.slo.control.memory import NO_OBJECTIVE, LoopMemory
from tokenfleet.domain.slo.control.votes import Ballot, Vote
from tokenfleet.domain.slo.observation.measurement import Failure

PATIENCE: Final = timedelta(minutes=30)
"""Longer than any restart of a Prometheus, shorter than people should wait for a route."""


def blind_since_of(
    before: Mapping[str, datetime | None],
    ballots: Iterable[Ballot],
    asking: AbstractSet[str],
    now: datetime,
) -> dict[str, datetime | None]:
    """Return since when each objective that asks is Unknown.

    Returns:
        Name -> None where it sees, by name; absent where it has never had attempts to judge.
    """
    votes: dict[str, list[Vote]] = {}
    for ballot in ballots:
        for vote in ballot.votes:
            votes.setdefault(vote.evidence.objective.name, []).append(vote)
    found: dict[str, datetime | None] = {}
    for name in sorted(asking & votes.keys()):
        if not all(vote.data.known for vote in votes[name]):
            if name in before:
                found[name] = min(before[name] or now, now)
        elif name in before or any(_judged(vote) for vote in votes[name]):
            found[name] = None
    return found


def muted(
    asking: AbstractSet[str],
    blind_since: Mapping[str, datetime | None],
    loops: Iterable[LoopMemory],
    now: datetime,
) -> dict[str, Failure]:
    """Return who is not heard, and why."""
    shifted = [loop for loop in loops if loop.shifted]
    causes = {loop.cause for loop in shifted}
    fresh = any(
        loop.cause == NO_OBJECTIVE and loop.changed_at and now - loop.changed_at < PATIENCE
        for loop in shifted
    )
    found = {}
    for name in sorted(asking):
        since = blind_since.get(name)
        if name not in blind_since:
            if not fresh:
                text = "it has never had an attempt to judge; check objective and targetRef"
                found[name] = Failure("NeverMeasured", text)
        elif (
            since is not None
            and now - since >= PATIENCE
            and causes.isdisjoint({name, NO_OBJECTIVE})
        ):
            text = f"nothing has been known since {since:%Y-%m-%d %H:%M} UTC; see DataAvailable"
            found[name] = Failure("UnknownTooLong", text)
    return found


def _judged(vote: Vote) -> bool:
    return vote.evidence.seen
