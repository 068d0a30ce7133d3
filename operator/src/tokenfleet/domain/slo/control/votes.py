"""Votes: what the objectives of a rule say about one pool.

Lowering a share takes one objective that proves a breach; raising it takes all of them, and one
that cannot see holds the others back from raising.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.domain.slo.observation.data_state import DataState, Kind, blindness, judge
from tokenfleet.domain.slo.observation.evidence import Evidence, Trigger
from tokenfleet.domain.slo.observation.measurement import (
    Measurement,
    RouterReplica,
    RuleMeasurement,
)

LEVEL_BAD: Final = 1.05
"""Times its limit from which a level is bad."""
LEVEL_HEALTHY: Final = 0.95
"""Times its limit below which a level is healthy; between the two nothing moves."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One objective's view of one pool."""

    data: DataState
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Ballot:
    """The votes of several objectives about one pool, by name."""

    votes: tuple[Vote, ...]

    def of(self, voters: AbstractSet[str]) -> "Ballot":
        """Return the votes of these objectives only."""
        return Ballot(tuple(v for v in self.votes if v.evidence.objective.name in voters))

    @property
    def seeing(self) -> tuple[Evidence, ...]:
        """Return the evidence of those that can see."""
        return tuple(vote.evidence for vote in self.votes if vote.data.known)

    @property
    def known(self) -> bool:
        """Tell whether at least one can see."""
        return bool(self.seeing)

    @property
    def all_known(self) -> bool:
        """Tell whether every one can see."""
        return all(vote.data.known for vote in self.votes)

    @property
    def fast(self) -> Trigger | None:
        """Return the worst proof of a fast or sudden breach."""
        return _worst(evidence.fast() or evidence.surge() for evidence in self.seeing)

    @property
    def slow(self) -> Trigger | None:
        """Return the worst proof of a slow breach."""
        return _worst(evidence.slow() for evidence in self.seeing)

    @property
    def probe_bad(self) -> Trigger | None:
        """Return the worst proof that the pool is bad now."""
        return _worst(evidence.probe_bad() for evidence in self.seeing)

    @property
    def over_budget(self) -> Trigger | None:
        """Return the worst proof that the long window is beyond its budget."""
        return _worst(evidence.over_budget() for evidence in self.seeing)

    @property
    def healthy(self) -> bool:
        """Tell whether every one that sees is content."""
        return self.known and all(evidence.healthy for evidence in self.seeing)

    @property
    def sufficient(self) -> bool:
        """Tell whether every one that sees has enough attempts."""
        return self.known and all(evidence.sufficient for evidence in self.seeing)

    def suffers_more(self, other: "Ballot") -> bool:
        """Tell whether this pool is bad, and provably more so than another one now."""
        others = {evidence.objective.name: evidence.short.ratio for evidence in other.seeing}
        found = [t for evidence in self.seeing if (t := evidence.probe_bad()) is not None]
        return any(t.counts.lower > others.get(t.objective, 0.0) for t in found)

    @property
    def no_traffic(self) -> bool:
        """Tell whether every one sees, and sees nothing."""
        return bool(self.votes) and all(vote.data.kind is Kind.NO_TRAFFIC for vote in self.votes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelVote:
    """One level objective's view of one backend; more is worse."""

    objective: str
    limit: float
    known: bool
    """False: nothing can be said, and nothing moves."""
    idle: bool = False
    """No request in the last window."""
    now: float | None
    """The last window; None where it has too few requests."""
    before: float | None
    """The window before that one."""
    after: float | None
    """What the last window should have been with one step more on the fallback; None: unknown."""
    text: str = ""
    """The numbers, for people."""

    @property
    def excess(self) -> float:
        """Return how many times the limit it is; 0 where it cannot be said."""
        return self.now / self.limit if self.now is not None else 0.0

    @property
    def bad(self) -> bool:
        """Tell whether two windows in a row were too much, and a step should help."""
        if self.now is None or self.before is None or self.after is None:
            return False
        return min(self.now, self.before) > LEVEL_BAD * self.limit and self.after < self.now

    @property
    def healthy(self) -> bool:
        """Tell whether it is little enough, and should be after a step back."""
        if self.now is None or self.now >= LEVEL_HEALTHY * self.limit:
            return False
        # A step back moves as much as a step further, the other way.
        return self.after is None or 2 * self.now - self.after <= self.limit


def ballot(
    objectives: Iterable[ObjectiveSpec],
    *,
    pool: str,
    measured: RuleMeasurement,
    measurement: Measurement | None,
    replicas: tuple[RouterReplica, ...],
    now: datetime,
) -> Ballot:
    """Ask every objective about one pool."""
    cells = tuple(cell for cell in measured.cells if cell.pool == pool)
    votes = []
    for objective in sorted(objectives, key=lambda objective: objective.name):
        evidence = Evidence.of(cells, objective)
        failure = blindness(measurement, replicas, objective, now)
        votes.append(Vote(judge(measured, evidence, failure), evidence))
    return Ballot(tuple(votes))


def _worst(triggers: Iterable[Trigger | None]) -> Trigger | None:
    found = [trigger for trigger in triggers if trigger is not None]
    # The one that asks for most, then how far the limit is passed; the name settles ties, so that
    # order never shows.
    return max(
        found, key=lambda t: (t.straight, t.counts.ratio / t.limit, t.objective), default=None
    )
