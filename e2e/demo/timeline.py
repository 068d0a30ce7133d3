"""What the demo saw, second by second: the one record that view, claims, table and plot read.

Everything in it was read where a user would read it: the status of objects, and the answers that
clients got. Times are seconds since the epoch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from e2e.load.records import Record, Sent

BASELINE = 1000
"""A pool with this share gets every conversation of a rule."""
BREACHES = frozenset({"T1", "T2"})
"""Transitions of a shift that a missed objective asks for."""


class Mark(StrEnum):
    """The turning points of the story, in order."""

    LOAD = "load starts"
    CAUSE = "large pool slowed"
    SHIFT = "ShiftTraffic"
    REMOVED = "cause removed"
    END = "load ends"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision of the operator, as the status of the TokenSLO shows it."""

    id: str
    transition: str
    at: float
    from_share: str
    to_share: str
    reason: str
    """One sentence, as `tokenfleet explain` says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodState:
    """One pod, as the view shows it."""

    name: str
    role: str
    """Pool or router it belongs to; empty for others."""
    phase: str
    ready: bool
    cpu: str
    """CPU limit of its main container that is in force; empty means none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The status of the route and its objective at one moment."""

    at: float
    shares: dict[str, int]
    """Share by pool of the controlled rule, 0..1000; empty means not known yet."""
    reason: str = ""
    state: str = ""
    data: str = ""
    met: bool | None = None
    burn_rate: str = ""
    p50: str = ""
    p99: str = ""
    shadow: dict[str, int] = field(default_factory=dict)
    """Shares that ShiftTraffic would have reached."""
    shadow_transition: str = ""
    shadow_reason: str = ""
    """What ShiftTraffic would have done, as `tokenfleet explain` says it."""
    decision: Decision | None = None
    pods: tuple[PodState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What the TokenSLO promises."""

    threshold: float
    """Seconds to the first token."""
    target: float
    """Fraction of requests within the threshold."""


@dataclass(slots=True, kw_only=True)
class Timeline:
    """The record; grows while the story runs."""

    objective: Objective
    primary: str
    """Pool of the controlled rule."""
    fallback: str
    feature: str
    """The feature whose requests take the controlled rule."""
    marks: dict[Mark, float] = field(default_factory=dict)
    observations: list[Observation] = field(default_factory=list)
    records: Sequence[Record] = field(default_factory=list)
    running: Mapping[tuple[str, int], Sent] = field(default_factory=dict)
    """Requests that have not ended yet, while the load runs."""
    acceptance: float | None = None
    """Accepted of the drafted tokens, 0..1; None where it is not known."""
    troubles: list[str] = field(default_factory=list)
    """What went wrong with the telling itself: the story goes on, and is not complete."""

    @property
    def latest(self) -> Observation:
        """Return the last look; an empty one before the first."""
        return self.observations[-1] if self.observations else Observation(at=0.0, shares={})

    def would_shift(self, seen: Observation) -> bool:
        """Say whether a status shows that ShiftTraffic would have moved traffic for a breach.

        Other transitions, such as of a pool that had no ready endpoint when it was made, are not that.
        """
        lowered = seen.shadow.get(self.primary, BASELINE) < BASELINE
        return lowered and seen.shadow_transition in BREACHES

    def between(self, first: Mark, last: Mark) -> list[Observation]:
        """Return observations from one mark to another; none where a mark is missing."""
        if first not in self.marks or last not in self.marks:
            return []
        begin, end = self.marks[first], self.marks[last]
        return [seen for seen in self.observations if begin <= seen.at < end]

    def requests(self, begin: float, end: float, *, feature: str | None = None) -> list[Record]:
        """Return requests sent in a span; by default those of every feature."""
        return [
            r
            for r in tuple(self.records)
            if begin <= r.at < end and feature in {None, r.feature} and r.outcome != "unsent"
        ]

    def good_fraction(self, begin: float, end: float) -> float | None:
        """Return the fraction of controlled requests sent in a span that were in time.

        A request without a first token is bad, whatever its outcome, and so is one that has not
        ended: a span of a running load must end early enough for answers in time. None where
        there was no request.
        """
        seen = self.requests(begin, end, feature=self.feature)
        good = [r for r in seen if r.ttft is not None and r.ttft <= self.objective.threshold]
        total = len(seen) + len(self.waiting(begin, end))
        return len(good) / total if total else None

    def waiting(self, begin: float, end: float) -> list[Sent]:
        """Return controlled requests sent in a span that have not ended."""
        held = tuple(self.running.values())
        return [sent for sent in held if begin <= sent.at < end and sent.feature == self.feature]

    def decisions(self) -> list[Decision]:
        """Return the decisions seen, by time, each once."""
        return distinct(seen.decision for seen in self.observations if seen.decision)


def distinct(decisions: Iterable[Decision]) -> list[Decision]:
    """Return decisions by time, each identifier once."""
    return sorted({d.id: d for d in decisions}.values(), key=lambda decision: decision.at)
