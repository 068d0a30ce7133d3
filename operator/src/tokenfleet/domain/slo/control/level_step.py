"""The step of one rule's levels: after its control loops, and only as far as those leave room."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from tokenfleet.domain.slo.control.capacity_ledger import Ledger
from tokenfleet.domain.slo.control.cost_ledger import Purse
from tokenfleet.domain.slo.control.fallbacks import Fallbacks
from tokenfleet.domain.slo.control.flows import flow_of
from tokenfleet.domain.slo.control.level_machine import LEVEL_STEP, LevelInput, advance_level
from tokenfleet.domain.slo.control.memory import REST, Decision, LoopMemory, State
from tokenfleet.domain.slo.control.shares import baseline
from tokenfleet.domain.slo.control.transition import Standby
from tokenfleet.domain.slo.control.votes import Ballot, LevelVote
from tokenfleet.domain.slo.objectives.spec import SCRAPES, Level, LevelObjective, Policy
from tokenfleet.domain.slo.observation.clear_cost import clearly_above
from tokenfleet.domain.slo.observation.data_state import Kind
from tokenfleet.domain.slo.observation.level_readings import Reading, Span, cost, missed, reading
from tokenfleet.domain.slo.observation.measurement import Failure, RuleTarget
from tokenfleet.domain.slo.observation.snapshot import Snapshot


class Readings(NamedTuple):
    """What one objective's vote is made of."""

    now: Reading
    before: Reading
    clear: bool
    """Two short windows in a row were clearly too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelStep:
    """All that the levels of one rule share."""

    snapshot: Snapshot
    rule: RuleTarget
    levels: Mapping[str, LoopMemory]
    """Primary pool -> its level until now."""
    loops: Mapping[str, LoopMemory]
    """Primary pool -> its control loop, after its step."""
    ledger: Ledger
    now: datetime
    objectives: tuple[LevelObjective, ...]
    """Those that ask for shifts and may, by name."""
    ballots: Mapping[str, Ballot]
    """Pool -> the votes of the latency and error objectives that count."""
    policy: Policy

    def run(self) -> dict[str, tuple[LoopMemory, Decision | None]]:
        """Advance the level of each backend."""
        readings = {slo.name: self.read(slo) for slo in self.objectives}
        done = {}
        for pool in self.rule.backends:
            level = self.levels.get(pool, REST)
            done[pool] = advance_level(level, self.level_input(pool, level, readings))
        return done

    def read(self, slo: LevelObjective) -> Readings:
        """Read everything that one objective's vote is made of."""
        windows, interval = slo.windows, self.snapshot.scrape_interval

        def of(window: timedelta, *, before: bool = False) -> Reading:
            span = Span(window, before)
            return reading(self.snapshot, slo, (self.rule.key,), self.now, span=span)

        pair = of(windows.clear), of(windows.clear, before=True)
        clear = slo.level is not Level.CACHE and windows.clear >= SCRAPES * interval
        return Readings(
            now=of(windows.level),
            before=of(windows.level, before=True),
            clear=clear and clearly_above(slo.limit, *pair),
        )

    def level_input(
        self, pool: str, level: LoopMemory, readings: Mapping[str, Readings]
    ) -> LevelInput:
        """Gather what the decision about one backend depends on."""
        other = self.standby(pool, level)
        moved = [loop.changed_at for loop in self.loops.values() if loop.changed_at is not None]
        return LevelInput(
            now=self.now,
            policy=self.policy,
            votes=tuple(self.vote(slo, pool, other, readings[slo.name]) for slo in self.objectives),
            window=max((slo.windows.level for slo in self.objectives), default=timedelta(0)),
            clear_window=max((slo.windows.clear for slo in self.objectives), default=timedelta(0)),
            resting=self.resting,
            changed_at=max(moved, default=None),
            acknowledged_at=self.snapshot.acknowledged_at,
            ready=self.snapshot.facts(self.rule.key.namespace, pool).ready,
            standby=other,
            purse=self.purse(pool, level),
        )

    def purse(self, pool: str, level: LoopMemory) -> Purse | None:
        """Return what the level of one backend may spend."""
        costs, key = self.ledger.costs, self.rule.key
        flow = flow_of(self.rule, pool, self.snapshot.measured(key))
        return costs.purse(key, f"{key}/{pool}", costs.money(self.rule, flow, level.spread))

    @property
    def resting(self) -> bool:
        """Tell whether no latency or error vote moves the rule, or is about to."""
        votes = [self.ballots[pool] for pool in self.rule.backends]
        return all(loop.state is State.NORMAL for loop in self.loops.values()) and all(
            not ballot.votes or ballot.content for ballot in votes
        )

    def standby(self, pool: str, level: LoopMemory) -> Standby | None:
        """Return the fallback that would take a step."""
        measured = self.snapshot.measured(self.rule.key)
        flow = flow_of(self.rule, pool, measured)
        return Fallbacks(
            snapshot=self.snapshot,
            rule=self.rule,
            ledger=self.ledger,
            primary=pool,
            ballots=self.ballots,
            utilization=self.policy.utilization,
            flow=flow,
            now=self.now,
            costs=self.ledger.costs,
        ).choose(level.fallback)

    def vote(
        self, slo: LevelObjective, pool: str, other: Standby | None, readings: Readings
    ) -> LevelVote:
        """Say what one objective asks for one backend."""
        now, before = readings.now, readings.before
        return LevelVote(
            objective=slo.name,
            limit=slo.limit,
            known=now.data.known,
            idle=now.data.kind is Kind.NO_TRAFFIC,
            now=now.value if now.enough else None,
            before=before.value if before.enough else None,
            after=self.after(slo, pool, other, now),
            text=described(slo, now.value),
            clear=readings.clear,
        )

    def after(
        self, slo: LevelObjective, pool: str, other: Standby | None, now: Reading
    ) -> float | None:
        """Return the value that one step more onto the fallback should lead to; None: unknown."""
        if other is None or now.value is None:
            return None
        moved = LEVEL_STEP * baseline(self.rule.backends)[pool] / 1000
        namespace, key = self.rule.key.namespace, self.rule.key
        if slo.level is not Level.CACHE:
            # The same tokens at the other pool's prices.
            here = self.snapshot.facts(namespace, pool).tokens
            there = self.snapshot.facts(namespace, other.pool).tokens
            counted = now.usage.requests - now.usage.missing
            if here is None or there is None or counted <= 0:
                return None
            difference = cost(now.usage, there) - cost(now.usage, here)
            difference *= self.scale(slo, counted)
        else:
            mine = missed(self.snapshot, slo, key, pool)
            theirs = missed(self.snapshot, slo, key, other.pool)
            if mine is None or theirs is None:
                return None
            difference = theirs - mine
        return now.value + moved * difference

    def scale(self, slo: LevelObjective, requests: float) -> float:
        """Return what money of one window counts for: by request, or until the period ends."""
        measured = self.snapshot.measurement
        if slo.level is Level.COST or measured is None:
            return 1 / requests
        return slo.left(measured.at) / slo.windows.level


def refusal(snapshot: Snapshot, rule: RuleTarget, slo: LevelObjective) -> Failure | None:
    """Return why a cost objective may not shift this rule; None where it may."""
    if slo.level is Level.CACHE:
        return None
    pools = dict.fromkeys((*rule.backends, *rule.fallbacks))
    without = [pool for pool in pools if snapshot.facts(rule.key.namespace, pool).tokens is None]
    if not without:
        return None
    text = (
        f"shifting on cost needs token prices on every backend and fallback of rule"
        f" {rule.key.rule}: set spec.price.perMillionTokens of {', '.join(without)}"
    )
    return Failure("TokenPricesMissing", text)


def described(slo: LevelObjective, value: float | None) -> str:
    """Say a value and its limit, in the words of the objective."""
    if value is None:
        return ""
    if slo.level is Level.COST:
        return f"mean cost of a request {value:.6g}, limit {slo.limit:.6g}"
    if slo.level is Level.SPEND:
        period = "hour" if slo.period == timedelta(hours=1) else "day"
        return f"forecast of the {period} {value:.6g}, limit {slo.limit:.6g}"
    return f"cache hit rate {1 - value:.1%}, limit {1 - slo.limit:.1%}"
