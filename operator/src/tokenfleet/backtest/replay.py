"""A replay: the operator's own `step` on what was recorded, from rest, tick by tick.

    recorded rows --read--> Measurement --step--> shares, memory, decisions
                                 ^                     |
                                 `---- next tick ------'      (open loop: rows do not change)

What `step` decides is exact for the recorded data. Whether those data would have been the same is
another question: a decision is marked as followed while the shares that were in force then are the
ones that the replay decided. Only then does the replay repeat what a live operator did, decision by
decision.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from tokenfleet.domain.fleet.subject import Subject
from tokenfleet.domain.routing.ir import BUCKETS
from tokenfleet.domain.slo.control.memory import Decision, LoopMemory, RuleMemory, State
from tokenfleet.domain.slo.control.shares import baseline
from tokenfleet.domain.slo.engine import Outcome, Snapshot, step
from tokenfleet.domain.slo.objectives.spec import AnyPromise
from tokenfleet.domain.slo.observation.measurement import (
    Measurement,
    PoolFacts,
    RouterReplica,
    RuleKey,
)
from tokenfleet.domain.slo.reporting.explanations import describe

ACKNOWLEDGED_AFTER: Final = timedelta(seconds=1)
"""Assumed time from a decision to the routers; it is not recorded, and measured below 1 s."""

SAME_SHARE: Final = 0.002
"""Shares this close are the same: two buckets."""


class LoopKey(NamedTuple):
    """One control loop."""

    rule: RuleKey
    primary: str
    objective: str
    """TokenSLO whose shadow it is; empty for the loop that moves traffic."""
    level: bool = False
    """True for the part that objectives on cost and caching hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was recorded of one tick."""

    measurement: Measurement
    replicas: tuple[RouterReplica, ...]
    shares: Mapping[RuleKey, Mapping[str, float]]
    """Rule -> pool -> fraction in force; rules whose shares were not recorded are absent."""
    ready: Mapping[str, int]
    """`namespace/pool` -> ready replicas; pools that were not recorded are absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One decision."""

    id: str
    at: datetime
    loop: LoopKey
    transition: str
    state: State
    from_share: float
    """Part of the primary's own weight that it had before; 0..1."""
    to_share: float
    message: str
    followed: bool
    """The shares in force until then were those of the replay."""


@dataclass(slots=True)
class Track:
    """One loop over time."""

    moves: list[Move] = field(default_factory=list)
    seconds: dict[State, float] = field(default_factory=dict)
    """Time in each state."""
    held: LoopMemory = field(default_factory=LoopMemory)


@dataclass(slots=True, kw_only=True)
class Replay:
    """One router, replayed; feed it ticks in order."""

    subject: Subject
    memory: Mapping[str, RuleMemory] = field(default_factory=dict)
    tracks: dict[LoopKey, Track] = field(default_factory=dict)
    outcome: Outcome | None = None
    """Of the newest tick."""
    _changed_at: datetime | None = None
    _before: datetime | None = None

    def tick(self, seen: Seen) -> Outcome:
        """Decide once."""
        now = seen.measurement.at
        snapshot = Snapshot(
            rules=self.subject.rules,
            objectives=tuple(map(_heard, self.subject.objectives)),
            levels=tuple(map(_heard, self.subject.levels)),
            pools={
                name: _facts(facts, seen.ready.get(name))
                for name, facts in self.subject.pools.items()
            },
            replicas=self.mine(seen.replicas),
            measurement=seen.measurement,
            acknowledged_at=self._acknowledged_at(now),
        )
        followed = self._followed(seen)
        last = self.outcome
        self.outcome = step(snapshot, self.memory, now)
        self.memory = self.outcome.memory
        if last is not None and last.shares != self.outcome.shares:
            self._changed_at = now
        self._note(now, followed)
        self._before = now
        return self.outcome

    def mine(self, replicas: tuple[RouterReplica, ...]) -> tuple[RouterReplica, ...]:
        """Return the replicas of this router."""
        here = tuple(r for r in replicas if r.namespace == self.subject.namespace)
        # A router's pods are named after it; pods of one that the user runs are named by the user.
        own = tuple(r for r in here if r.pod.startswith(f"{self.subject.router}-router-"))
        return own or here

    def written(self, key: LoopKey) -> float:
        """Return the fraction of its rule that a primary gets by its weight as written."""
        rule = next(rule for rule in self.subject.rules if rule.key == key.rule)
        return baseline(rule.backends)[key.primary] / BUCKETS

    def not_as_written(self, seen: Seen) -> frozenset[RuleKey]:
        """Return the rules whose recorded shares are not their weights as written."""
        return frozenset(
            rule.key
            for rule in self.subject.rules
            if rule.key in seen.shares and not _same(seen.shares[rule.key], baseline(rule.backends))
        )

    def _acknowledged_at(self, now: datetime) -> datetime | None:
        if self._changed_at is None:
            return now
        at = self._changed_at + ACKNOWLEDGED_AFTER
        return at if at <= now else None

    def _followed(self, seen: Seen) -> dict[RuleKey, bool]:
        """Tell, for every rule, whether the shares in force are those of the replay."""
        if self.outcome is None:
            return {}
        decided = self.outcome.shares
        return {
            rule.key: rule.key in seen.shares
            and _same(seen.shares[rule.key], decided[str(rule.key)])
            for rule in self.subject.rules
        }

    def _note(self, now: datetime, followed: Mapping[RuleKey, bool]) -> None:
        spent = (now - self._before).total_seconds() if self._before is not None else 0.0
        for key, loop in self._loops():
            track = self.tracks.setdefault(key, Track())
            before = track.held
            track.seconds[before.state] = track.seconds.get(before.state, 0.0) + spent
            track.held = loop
            if loop.last is not None and loop.last != before.last:
                # A shadow moves nothing: after its first shift nothing can follow.
                follows = not before.shifted or (
                    followed.get(key.rule, False) and not key.objective
                )
                track.moves.append(_move(key, loop, loop.last, followed=follows))

    def _loops(self) -> Iterator[tuple[LoopKey, LoopMemory]]:
        for rule in self.subject.rules:
            memory = self.memory[str(rule.key)]
            for pool, loop in memory.loops.items():
                yield LoopKey(rule.key, pool, ""), loop
            for pool, loop in memory.levels.items():
                yield LoopKey(rule.key, pool, "", level=True), loop
            for objective, loops in memory.shadows.items():
                for pool, loop in loops.items():
                    yield LoopKey(rule.key, pool, objective), loop


def _same(recorded: Mapping[str, float], decided: Mapping[str, int]) -> bool:
    return all(
        abs(recorded.get(pool, 0.0) - share / BUCKETS) <= SAME_SHARE
        for pool, share in decided.items()
    )


def _facts(declared: PoolFacts, ready: int | None) -> PoolFacts:
    if ready is None:
        return declared
    return replace(declared, ready=ready, desired=ready)


def _move(key: LoopKey, loop: LoopMemory, decision: Decision, *, followed: bool) -> Move:
    return Move(
        id=decision.identifier(f"{key.rule}/{key.primary}"),
        at=decision.at,
        loop=key,
        transition=decision.transition,
        state=loop.state,
        from_share=decision.from_w / 1000,
        to_share=decision.to_w / 1000,
        message=describe(decision, key.primary),
        followed=followed,
    )


def _heard(slo: AnyPromise) -> AnyPromise:
    """Return an objective as the replay judges it: on a part of a rule it only alerts.

    What a slice of its own would have changed is not known: the recorded shares are the rule's.
    """
    return replace(slo, shifts=False) if slo.features or slo.request_types else slo
