"""Votes: what the objectives of a rule say about one pool.

Lowering a share takes one objective that proves a breach; raising it takes all of them, and one
that cannot see holds the others back from raising.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec, Windows
from tokenfleet.domain.slo.observation.data_state import DataState, Kind, blindness, covered, judge
from tokenfleet.domain.slo.observation.evidence import EVER, Evidence, Trigger
from tokenfleet.domain.slo.observation.measurement import (
    Failure,
    Measurement,
    RouterReplica,
    RuleMeasurement,
)

HELPS: Final = 0.75
"""Part of the primary's bad fraction below which a fallback is worth more traffic."""
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
        kept = tuple(v for v in self.votes if v.evidence.objective.name in voters)
        return Ballot(kept) if len(kept) < len(self.votes) else self

    @property
    def seeing(self) -> tuple[Evidence, ...]:
        """Return the evidence of those that can see."""
        return tuple(vote.evidence for vote in self.votes if vote.data.known)

    @property
    def known(self) -> bool:
        """Tell whether at least one can see."""
        return any(vote.data.known for vote in self.votes)

    @property
    def all_known(self) -> bool:
        """Tell whether every one can see."""
        return all(vote.data.known for vote in self.votes)

    def breach(self, age: timedelta) -> Trigger | None:
        """Return the worst proof of a breach at a share of this age."""
        return _worst(evidence.breach(age) for evidence in self.seeing)

    def still_bad(self, age: timedelta, *, phi: float | None = 1.0) -> Trigger | None:
        """Return the worst proof that a pool under suspicion is bad at a share of this age."""
        return _worst(evidence.still_bad(age, phi=phi) for evidence in self.seeing)

    def judged(self, age: timedelta) -> timedelta:
        """Return the longest window in which every one that sees judged a share of this age."""
        return min((e.judged_for(age) for e in self.seeing), default=timedelta(0))

    def well_for(self, age: timedelta, *, cause: str, level: float, phi: float) -> timedelta:
        """Return for how long the pool is proven well; 0 where it is not.

        The objective that made the shift must prove it; where it is not among them, every one that
        saw an attempt. And none may show signs of the contrary.
        """
        if self.doubtful(age, cause=cause, phi=phi):
            return timedelta(0)
        own = [e for e in self.seeing if e.objective.name == cause]
        asked = own or [e for e in self.seeing if e.since_change(age).total]
        return min((e.well_for(age, level=level, phi=phi) for e in asked), default=timedelta(0))

    def doubtful(self, age: timedelta, *, cause: str, phi: float) -> bool:
        """Tell whether any shows signs that the pool is bad at a share of this age."""
        return any(
            e.doubtful(age, phi=phi if e.objective.name == cause else 1.0) for e in self.seeing
        )

    @property
    def content(self) -> bool:
        """Tell whether every one sees, and none sees the pool bad."""
        return self.all_known and self.still_bad(EVER, phi=None) is None

    @property
    def sufficient(self) -> bool:
        """Tell whether every one that sees has enough attempts."""
        return self.known and all(evidence.sufficient for evidence in self.seeing)

    def suffers_more(self, other: "Ballot", age: timedelta, level: float) -> Trigger | None:
        """Return the proof that this pool is bad, and more so than another one.

        Args:
            other: the votes about the other pool, of the same objectives.
            age: how long the present share has been in effect.
            level: how bad the other pool was before.
        """
        others = {e.objective.name: e.estimate(age, level) for e in other.seeing}
        for evidence in self.seeing:
            trigger = evidence.still_bad(age)
            if trigger and evidence.at_least(age) > others.get(evidence.objective.name, 0.0):
                return trigger
        return None

    def better_than(
        self, other: "Ballot", age: timedelta, cause: str, *, found_bad: bool = False
    ) -> bool:
        """Tell whether this pool is clearly better than another one, by what both showed.

        So it is where the most that its counts leave plausible is less than `HELPS` of the least
        that those of the other leave: two pools that are bad alike differ by chance at any moment.

        Args:
            other: the votes about the other pool, of the same objectives.
            age: how long the present share has been in effect.
            cause: the objective that made the shift.
            found_bad: it was bad before this share; then nothing but attempts speaks for it.
        """
        mine = {e.objective.name: e for e in self.seeing}
        theirs = {e.objective.name: e for e in other.seeing}
        if cause not in mine or cause not in theirs:
            return True
        most = mine[cause].at_most(age, unseen=1.0 if found_bad else None)
        return most < HELPS * theirs[cause].at_least(age)

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
    clear: bool = False
    """Two short windows in a row were so much too much that chance is no explanation."""

    @property
    def excess(self) -> float:
        """Return how many times the limit it is; 0 where it cannot be said."""
        return self.now / self.limit if self.now is not None else 0.0

    @property
    def bad(self) -> bool:
        """Tell whether two windows in a row were too much, and a step should help."""
        if self.now is None or self.after is None or self.after >= self.now:
            return False
        if self.clear:
            return True
        return self.before is not None and min(self.now, self.before) > LEVEL_BAD * self.limit

    @property
    def healthy(self) -> bool:
        """Tell whether it is little enough, and should be after a step back."""
        if self.now is None or self.now >= LEVEL_HEALTHY * self.limit:
            return False
        # A step back moves as much as a step further, the other way.
        return self.after is None or 2 * self.now - self.after <= self.limit


@dataclass(frozen=True, slots=True)
class Coverage:
    """How well one objective can be seen now, by whatever pool."""

    failure: Failure | None
    """Why it cannot; None where it can."""
    covered: frozenset[timedelta]
    """Windows that were scraped well enough."""
    interval: timedelta
    """Between two scrapes."""

    @classmethod
    def of(
        cls,
        objective: ObjectiveSpec,
        measurement: Measurement | None,
        replicas: tuple[RouterReplica, ...],
        now: datetime,
    ) -> "Coverage":
        """Look at the scrapes."""
        return cls(
            failure=blindness(measurement, replicas, objective, now),
            covered=covered(measurement, replicas, objective),
            interval=measurement.scrape_interval if measurement is not None else timedelta(0),
        )


@dataclass(slots=True)
class Coverages:
    """How well each objective can be seen; alike for those that ask the same of scrapes."""

    measurement: Measurement | None
    replicas: tuple[RouterReplica, ...]
    now: datetime
    _known: dict[tuple[Windows, float, timedelta], Coverage] = field(default_factory=dict)

    def of(self, objective: ObjectiveSpec) -> Coverage:
        """Look at the scrapes, once for all that ask the same."""
        asked = (objective.windows, objective.min_coverage, objective.max_staleness)
        coverage = self._known.get(asked)
        if coverage is None:
            coverage = Coverage.of(objective, self.measurement, self.replicas, self.now)
            self._known[asked] = coverage
        return coverage


def ballot(
    coverages: Iterable[tuple[ObjectiveSpec, Coverage]], *, pool: str, measured: RuleMeasurement
) -> Ballot:
    """Ask every objective about one pool; by name."""
    cells = tuple(cell for cell in measured.cells if cell.pool == pool)
    votes = []
    for objective, coverage in coverages:
        evidence = Evidence.of(
            cells, objective, covered=coverage.covered, interval=coverage.interval
        )
        votes.append(Vote(judge(measured, evidence, coverage.failure), evidence))
    return Ballot(tuple(votes))


def _worst(triggers: Iterable[Trigger | None]) -> Trigger | None:
    found = [trigger for trigger in triggers if trigger is not None]
    # The one that asks for most, then how far the limit is passed; the name settles ties, so that
    # order never shows.
    return max(
        found, key=lambda t: (t.straight, t.counts.ratio / t.limit, t.objective), default=None
    )
