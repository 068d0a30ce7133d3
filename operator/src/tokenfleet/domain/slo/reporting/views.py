"""Views: what people read of a step in the status of routes and objectives; never read back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from tokenfleet.domain.slo.control.level_step import refusal
from tokenfleet.domain.slo.control.memory import Decision, LoopMemory, State
from tokenfleet.domain.slo.control.rule_step import Done
from tokenfleet.domain.slo.objectives.spec import Level, LevelObjective, ObjectiveSpec, Windows
from tokenfleet.domain.slo.observation.data_state import DataState, Kind, judge
from tokenfleet.domain.slo.observation.evidence import Evidence, selects
from tokenfleet.domain.slo.observation.level_readings import money_spent, reading
from tokenfleet.domain.slo.observation.measurement import Failure, Ladder, RuleMeasurement, Signal
from tokenfleet.domain.slo.observation.quantiles import quantile_of
from tokenfleet.domain.slo.observation.snapshot import Snapshot
from tokenfleet.domain.slo.reporting.explanations import describe
from tokenfleet.domain.slo.reporting.shift_costs import ShiftCost

_WORST: Final = (State.FROZEN, State.SHIFTED, State.RECOVERING, State.NORMAL)
"""The state that speaks for a rule with several backends, first."""

Reason = Literal[
    "AsWritten", "Shifted", "Recovering", "Pinned", "Frozen", "Held", "NoHealthyFallback"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """Where a rule's traffic goes, and why."""

    shares: Mapping[str, int]
    reason: Reason
    message: str
    since: datetime | None
    """When a loop last moved; None: never."""
    fallback_in_use: bool
    saturated: bool
    """A primary is bad and no fallback can take more, or there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """One transition for people."""

    id: str
    transition: str
    at: datetime
    from_share: str
    to_share: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowView:
    """What ShiftTraffic would have done."""

    shares: Mapping[str, int]
    transition: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendView:
    """Money of the hour or day that runs."""

    spent: float
    forecast: float | None
    """None: no window to tell a rate by."""
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SLOView:
    """What an objective sees over all pools of its rules."""

    state: str
    data: DataState
    total: int
    bad: int
    burn_rate: float
    p50: float | None
    """Seconds; None without traffic."""
    p99: float | None
    met: bool | None
    """None: cannot be said."""
    shadow: ShadowView | None
    last: DecisionView | None
    value: str = ""
    """Mean cost of a request, or cache hit rate; empty for other objectives."""
    spend: SpendView | None = None
    """None for all but spend objectives."""
    note: str = ""
    """What people should know about how it is judged; empty: nothing."""
    shift_cost: ShiftCost | None = None
    """None without a limit of what shifts cost."""
    refused: Failure | None = None
    """Why it may not shift although it asks to; None where nothing stands against it."""


def rule_view(done: Done) -> RuleView:
    """Describe one rule."""
    loops = [*done.memory.loops.items(), *done.memory.levels.items()]
    last = _latest(loops)
    fallbacks = sum(done.shares.get(pool, 0) for pool in done.rule.fallbacks)
    moved = [loop.changed_at for _, loop in loops if loop.changed_at is not None]
    return RuleView(
        shares=done.shares,
        reason=_reason(done, last[1] if last is not None else None),
        message=_message(done, last),
        since=max(moved, default=None),
        fallback_in_use=fallbacks > 0,
        saturated=done.saturated,
    )


def slo_view(
    snapshot: Snapshot, objective: ObjectiveSpec, done: Iterable[Done], failure: Failure | None
) -> SLOView:
    """Describe one objective over the rules that it is about.

    Args:
        snapshot: what is seen.
        objective: what is promised.
        done: the steps of its rules.
        failure: why it cannot be seen; None where it can.
    """
    mine = list(done)
    measured = [snapshot.measured(one.rule.key) for one in mine]
    merged = RuleMeasurement(
        cells=tuple(cell for rule in measured for cell in rule.cells),
        ladders=tuple(ladder for rule in measured for ladder in rule.ladders),
    )
    evidence = Evidence.of(merged.cells, objective)
    data = judge(merged, evidence, failure)
    loops = {f"{one.rule.key}/{p}": m for one in mine for p, m in one.memory.loops.items()}
    latest, name = _latest(loops.items()), objective.name
    return SLOView(
        state=state_of(loops.values()).value,
        data=data,
        total=evidence.long.total,
        bad=evidence.long.bad,
        burn_rate=evidence.long.ratio / objective.budget,
        p50=quantile(0.50, merged.ladders, objective),
        p99=quantile(0.99, merged.ladders, objective),
        met=evidence.long.ratio <= objective.budget if data.kind is Kind.OK else None,
        shadow=_shadow(objective, mine),
        last=_decision(*latest) if latest is not None else None,
        note=widened(objective.windows, snapshot),
        refused=next((one.muted[name] for one in mine if name in one.muted), None),
    )


def widened(windows: Windows, snapshot: Snapshot) -> str:
    """Say that windows are longer than the user wrote, and why; empty where they are not."""
    if windows.declared is None or snapshot.measurement is None:
        return ""
    interval = snapshot.measurement.scrape_interval.total_seconds()
    return (
        f"the shortest window is {windows.short.total_seconds():g} s, four scrapes of"
        f" {interval:g} s; spec.control.shortWindow asks for"
        f" {windows.declared.total_seconds():g} s"
    )


def level_view(
    snapshot: Snapshot, objective: LevelObjective, done: Iterable[Done], now: datetime
) -> SLOView:
    """Describe one objective about cost or caching over the rules that it is about."""
    mine = list(done)
    found = reading(snapshot, objective, [one.rule.key for one in mine], now)
    levels = {f"{one.rule.key}/{p}": m for one in mine for p, m in one.memory.levels.items()}
    latest = _latest(levels.items())
    value, limit = found.value, objective.limit
    moved = any(level.shifted for level in levels.values())
    refusals = (refusal(snapshot, one.rule, objective) for one in mine if objective.shifts)
    return SLOView(
        state=(State.SHIFTED if moved else State.NORMAL).value,
        data=found.data,
        total=found.requests,
        bad=0,
        burn_rate=value / limit if value is not None else 0.0,
        p50=None,
        p99=None,
        met=value <= limit if found.data.kind is Kind.OK and value is not None else None,
        shadow=None,
        last=_decision(*latest) if latest is not None else None,
        value=_value(objective, value),
        spend=_spend(snapshot, objective, value),
        refused=next((why for why in refusals if why is not None), None),
    )


def _value(objective: LevelObjective, value: float | None) -> str:
    if value is None:
        return ""
    return f"{1 - value:.3f}" if objective.level is Level.CACHE else f"{value:.6g}"


def _spend(
    snapshot: Snapshot, objective: LevelObjective, forecast: float | None
) -> SpendView | None:
    """Describe the money of the period that runs; None where nothing is known of it."""
    if objective.level is not Level.SPEND or snapshot.measurement is None:
        return None
    spent = money_spent(snapshot, objective)
    if isinstance(spent, Failure):
        return None
    at = snapshot.measurement.at
    return SpendView(spent=spent, forecast=forecast, ends=at + objective.left(at))


def state_of(loops: Iterable[LoopMemory]) -> State:
    """Return the state that speaks for several loops."""
    states = {loop.state for loop in loops}
    return next((state for state in _WORST if state in states), State.NORMAL)


def quantile(q: float, ladders: Iterable[Ladder], objective: ObjectiveSpec) -> float | None:
    """Estimate a quantile in seconds over the objective's long window; None without traffic.

    For people only: decisions use the exact fraction at a boundary.
    """
    sums: dict[float, float] = {}
    for ladder in ladders:
        if (ladder.signal, ladder.window) == (objective.signal, objective.windows.long) and selects(
            objective, ladder.feature, ladder.request_type
        ):
            for boundary, count in ladder.buckets:
                sums[boundary] = sums.get(boundary, 0.0) + count
    return quantile_of(q, sums.items())


def _message(done: Done, last: tuple[str, Decision] | None) -> str:
    said = [describe(last[1], last[0])] if last is not None else []
    if done.saturated:
        why = f": {done.full}" if done.full else ""
        text = f"saturated: a primary misses the objective and no fallback can take more{why}"
        said.insert(0, text)
    return "; ".join(said)


def _reason(done: Done, last: Decision | None) -> Reason:
    if done.pinned:
        return "Pinned"
    state = state_of(done.memory.loops.values())
    if state is State.NORMAL:
        if any(level.shifted for level in done.memory.levels.values()):
            return "Shifted"
        lost = last is not None and last.transition == "T11"
        return "NoHealthyFallback" if lost else "AsWritten"
    if done.held:
        return "Held"
    if state is State.FROZEN:
        return "Frozen"
    return "Shifted" if state is State.SHIFTED else "Recovering"


def _shadow(objective: ObjectiveSpec, done: list[Done]) -> ShadowView | None:
    for one in done:
        loops = one.memory.shadows.get(objective.name)
        if loops is not None:
            latest = _latest(loops.items())
            return ShadowView(
                shares=one.shadow_shares[objective.name],
                transition=latest[1].transition if latest is not None else "",
                message=_first_step(objective, *latest) if latest is not None else "",
            )
    return None


def _first_step(objective: ObjectiveSpec, pool: str, step: Decision) -> str:
    """Say what the first step would have been, and between what its effect would have been.

    At best what was moved is all good, and errors are as many as before where they stay while first
    tokens may be in time with less load; at worst the fallback is no better. What would have come
    next depends on that, so nobody can say.
    """
    text = f"first step: {describe(step, pool)}"
    if not step.total:
        return text
    before = step.bad / step.total
    best = before * step.to_w / 1000 if objective.signal is Signal.ERRORS else 0.0
    return f"{text}; after it between {best:.1%} and {before:.1%} would have been bad"


def _latest(loops: Iterable[tuple[str, LoopMemory]]) -> tuple[str, Decision] | None:
    taken = [(pool, loop.last) for pool, loop in loops if loop.last is not None]
    return max(taken, key=lambda pair: (pair[1].at, pair[0]), default=None)


def _decision(place: str, decision: Decision) -> DecisionView:
    return DecisionView(
        id=decision.identifier(place),
        transition=decision.transition,
        at=decision.at,
        from_share=f"{decision.from_w / 1000:g}",
        to_share=f"{decision.to_w / 1000:g}",
        reason=describe(decision, place.rsplit("/", 1)[-1]),
    )
