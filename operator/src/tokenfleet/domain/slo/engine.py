"""One step of the control loop for all rules of a router: pure, deterministic, total.

    rules, objectives, pools, memory, measurement, now  ->  memory', shares, decisions, views

The same function runs in the operator, in the simulator and in tests. It reads no clock; calling it
twice with the same input gives the same answer, and calling it again with its own answer and no new
measurement changes nothing unless a timer has run out.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tokenfleet.domain.slo.control.capacity_ledger import Ledger
from tokenfleet.domain.slo.control.cost_ledger import CostLedger, CostLimit, limits_of
from tokenfleet.domain.slo.control.flows import enter, flow_of
from tokenfleet.domain.slo.control.load_ceilings import learned_capacity
from tokenfleet.domain.slo.control.memory import RuleMemory
from tokenfleet.domain.slo.control.rule_step import (
    Done,
    RuleStep,
    ballots_of,
    pin_of,
    shares_of,
    under_pin,
)
from tokenfleet.domain.slo.control.votes import Coverages
from tokenfleet.domain.slo.objectives.by_rule import Objectives, concerns
from tokenfleet.domain.slo.objectives.spec import Promise
from tokenfleet.domain.slo.observation.data_state import unasked
from tokenfleet.domain.slo.observation.measurement import RuleKey, RuleTarget
from tokenfleet.domain.slo.observation.slices import shared_out
from tokenfleet.domain.slo.observation.snapshot import Snapshot
from tokenfleet.domain.slo.reporting.decisions import Taken
from tokenfleet.domain.slo.reporting.shift_costs import shift_cost
from tokenfleet.domain.slo.reporting.views import RuleView, SLOView, level_view, rule_view, slo_view

__all__ = ["Decided", "Outcome", "RuleView", "SLOView", "Snapshot", "Taken", "decide", "step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a step decided, without what people read of it."""

    snapshot: Snapshot
    """What it was decided by."""
    done: tuple[Done, ...]
    """By rule."""
    coverages: Coverages
    costs: CostLedger
    """What shifts cost, after the step."""

    @property
    def memory(self) -> dict[str, RuleMemory]:
        """Return the memory of every rule of the input, by `namespace/route/rule`."""
        return {str(one.rule.key): one.memory for one in self.done}

    @property
    def shares(self) -> dict[str, Mapping[str, int]]:
        """Return pool -> buckets of every rule; backends, then fallbacks; they sum to 1000."""
        return {str(one.rule.key): one.shares for one in self.done}

    @property
    def decisions(self) -> tuple[Taken, ...]:
        """Return the transitions of this step, by rule; shadows are not among them."""
        return tuple(
            Taken.of(one.rule.key, pool, decision)
            for one in self.done
            for pool, decision in one.taken
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step decided, and how it looks."""

    memory: Mapping[str, RuleMemory]
    """`namespace/route/rule` -> memory, for every rule of the input."""
    shares: Mapping[str, Mapping[str, int]]
    """`namespace/route/rule` -> pool -> buckets: backends, then fallbacks; they sum to 1000."""
    decisions: tuple[Taken, ...]
    """Transitions of this step, by rule; shadows are not among them."""
    rules: Mapping[str, RuleView]
    slos: Mapping[str, SLOView]
    """`namespace/name` -> view, for every objective on one of the rules."""
    demand: Mapping[str, float]
    """`namespace/pool` -> requests per second, as if nothing were shifted; 0 where nobody asks, and
    absent where that cannot be seen."""


def step(
    snapshot: Snapshot,
    memory: Mapping[str, RuleMemory],
    now: datetime,
    *,
    standing: bool = False,
) -> Outcome:
    """Decide the shares of every rule.

    Args:
        snapshot: what is seen.
        memory: `namespace/route/rule` -> what the last step returned; a rule that is absent starts
            at its weights as written. Never pass an empty memory because the stored one was lost.
        now: the current time, UTC; fractions of a second are dropped.
        standing: what is decided cannot be stored. Nothing is decided, and the views tell of what
            the memory holds.
    """
    decided = decide(snapshot, memory, now, standing=standing)
    seen, done = decided.snapshot, decided.done
    return Outcome(
        memory=decided.memory,
        shares=decided.shares,
        decisions=decided.decisions,
        rules={str(one.rule.key): rule_view(one) for one in done},
        slos=_slo_views(seen, done, decided),
        demand=_demand(seen, (one.rule for one in done)),
    )


def decide(
    snapshot: Snapshot,
    memory: Mapping[str, RuleMemory],
    now: datetime,
    *,
    standing: bool = False,
) -> Decided:
    """Decide as `step` does; for those who show nobody anything."""
    now = now.replace(microsecond=0)
    snapshot = snapshot.fitted()
    if snapshot.measurement is not None:
        measurement = shared_out(snapshot.measurement, snapshot.rules)
        if measurement is not snapshot.measurement:
            snapshot = replace(snapshot, measurement=measurement)
    rules = sorted(snapshot.rules, key=lambda rule: rule.key)
    remembered = {rule.key: memory.get(str(rule.key), RuleMemory()) for rule in rules}
    objectives = Objectives.of(snapshot.objectives, snapshot.levels)
    ledger = _ledger(snapshot, objectives, rules, remembered, now)
    coverages = Coverages(snapshot.measurement, snapshot.replicas, now)
    done = [
        RuleStep(
            snapshot=snapshot,
            rule=rule,
            memory=remembered[rule.key],
            ledger=ledger,
            now=now,
            objectives=mine,
            level_objectives=objectives.levels_on(rule),
            ballots=ballots_of(rule, mine, snapshot.measured(rule.key), coverages),
        ).run()
        for rule, mine in ((rule, objectives.on(rule)) for rule in rules)
    ]
    if standing:
        done = [_undone(one, remembered[one.rule.key]) for one in done]
    return Decided(snapshot=snapshot, done=tuple(done), coverages=coverages, costs=ledger.costs)


def _undone(one: Done, memory: RuleMemory) -> Done:
    """Take back the decisions of one rule; what was seen stays."""
    if not one.taken:
        return replace(one, memory=memory)
    return replace(one, memory=memory, shares=shares_of(one.rule, memory), taken=(), pinned=False)


def _ledger(
    snapshot: Snapshot,
    objectives: Objectives,
    rules: Iterable[RuleTarget],
    memory: Mapping[RuleKey, RuleMemory],
    now: datetime,
) -> Ledger:
    """Enter what every rule sends now, and what each backend's own weight asks of it.

    A backend's own flow is entered whole even while some of it is shifted away: it comes back. What
    a pin sends is entered before anybody is asked: it is sent whether it fits or not.
    """
    known = list(rules)
    ledger = Ledger(
        pools=snapshot.pools,
        foreign=_foreign(snapshot, {rule.key for rule in known}),
        learned=_learned(memory, now),
        costs=CostLedger(snapshot=snapshot, limits=_limits(snapshot, objectives, known, now)),
    )
    for rule in known:
        measured, pin = snapshot.measured(rule.key), pin_of(rule, now)
        for pool in rule.backends:
            loop = memory[rule.key].kept(pool)
            if pin is not None:
                loop, _ = under_pin(rule, pin, pool, loop, now)
            enter(ledger, rule, pool, loop, measured)
            own = flow_of(rule, pool, measured)
            ledger.enter(f"{rule.key.namespace}/{pool}", f"{rule.key}#own", own)
    return ledger


def _limits(
    snapshot: Snapshot, objectives: Objectives, rules: Iterable[RuleTarget], now: datetime
) -> dict[RuleKey, tuple[CostLimit, ...]]:
    """Return what limits the cost of shifts; nothing where nobody may shift."""
    found = {
        rule.key: limits_of((*objectives.on(rule), *objectives.levels_on(rule)))
        for rule in rules
        if rule.control == "Auto" and snapshot.actuation and pin_of(rule, now) is None
    }
    return {key: limits for key, limits in found.items() if limits}


def _learned(memory: Mapping[RuleKey, RuleMemory], now: datetime) -> dict[str, float]:
    """Return what loops have seen fallbacks not bear, the least of each pool."""
    learned: dict[str, float] = {}
    for key, rule in memory.items():
        for loop in rule.loops.values():
            for pool, limit in loop.limits.items():
                rate, place = learned_capacity(limit, now), f"{key.namespace}/{pool}"
                if rate is not None:
                    learned[place] = min(rate, learned.get(place, rate))
    return learned


def _foreign(snapshot: Snapshot, ours: AbstractSet[RuleKey]) -> dict[str, float]:
    """Return the attempts per second that rules of other routers make, by pool."""
    seen: dict[tuple[str, str, str], float] = {}
    rules = snapshot.measurement.rules if snapshot.measurement is not None else {}
    for key, measured in rules.items():
        if key in ours:
            continue
        for cell in measured.cells:
            # The shortest window: a rule that is gone must not hold room for long.
            window, tally = min(cell.windows.items(), default=(timedelta(0), None))
            if tally is not None and tally.total > 0:
                # Several signals count the same attempts: the one that sees most speaks.
                place = (
                    f"{key.namespace}/{cell.pool}",
                    str(key),
                    f"{cell.feature}|{cell.request_type}",
                )
                seen[place] = max(seen.get(place, 0.0), tally.total / window.total_seconds())
    rates: dict[str, float] = {}
    for (pool, *_), rate in seen.items():
        rates[pool] = rates.get(pool, 0.0) + rate
    return rates


def _slo_views(snapshot: Snapshot, done: Iterable[Done], decided: Decided) -> dict[str, SLOView]:
    coverages = decided.coverages
    by_route: dict[tuple[str, str], list[Done]] = {}
    for one in done:
        by_route.setdefault(one.rule.key[:2], []).append(one)

    def about(slo: Promise) -> list[Done]:
        route = by_route.get((slo.namespace, slo.route), [])
        return [one for one in route if concerns(slo, one.rule)]

    views = {
        slo.key: slo_view(snapshot, slo, mine, coverages.of(slo).failure)
        for slo in snapshot.objectives
        if (mine := about(slo))
    }
    levels = {
        slo.key: level_view(snapshot, slo, mine, coverages.now)
        for slo in snapshot.levels
        if (mine := about(slo))
    }
    found = views | levels
    for slo in (*snapshot.objectives, *snapshot.levels):
        cost = shift_cost(slo, (one.rule for one in about(slo)), decided.costs)
        if cost is not None and slo.key in found:
            found[slo.key] = replace(found[slo.key], shift_cost=cost)
    return found


def _demand(snapshot: Snapshot, rules: Iterable[RuleTarget]) -> dict[str, float]:
    demand: dict[str, float] = {}
    silent = unasked(snapshot.measurement, snapshot.replicas)
    for rule in rules:
        measured = snapshot.measured(rule.key)
        if measured.demand is None and not silent:
            continue
        for pool in rule.backends:
            place = f"{rule.key.namespace}/{pool}"
            demand[place] = demand.get(place, 0.0) + flow_of(rule, pool, measured)
    return demand
