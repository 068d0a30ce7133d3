"""Why a route's traffic is where it is, put together from what the API server holds.

It says what the operator has written down, in the words of people; it decides nothing and needs no
operator that runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from tokenfleet.api.conditions import AFFORDABLE, MET, READY, VOTING
from tokenfleet.api.conventions import Model
from tokenfleet.api.v1alpha1.modelroute import ModelRoute, RouteRule
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.fleet.conditions import rfc3339
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.steering import promises_of
from tokenfleet.domain.fleet.stored_conditions import trouble
from tokenfleet.domain.routing.ir import BUCKETS
from tokenfleet.domain.routing.rule_slices import (
    Slice,
    rule_of_name,
    slice_name,
    slice_of_name,
)
from tokenfleet.domain.routing.slicing import selector_of
from tokenfleet.domain.slo.control.level_machine import LEVEL_STEP
from tokenfleet.domain.slo.control.memory import REST, RuleMemory
from tokenfleet.domain.slo.control.shares import baseline
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec, Promise, combined
from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.domain.slo.reporting.next_steps import Rate, next_steps

Body = Mapping[str, Any]
T = TypeVar("T", bound=Model)


class UnreadableRouteError(Exception):
    """The route holds what this version cannot read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One pool of a rule."""

    name: str
    role: str
    """primary or fallback."""
    adapter: str
    """LoRA adapter that the rule asks for; empty: the pool's model."""
    share: int
    """Conversations of 1000."""
    ready: int
    replicas: int
    trouble: str
    """Why it is not ready; empty where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one objective says about a rule."""

    slo: str
    action: str
    """Alert or ShiftTraffic."""
    says: str
    state: str
    data: str
    """Data state, with its reason where it is Unknown."""
    total: int
    bad: int
    burn_rate: str
    level: str
    """Cost, money or cache hits with the limit; empty for objectives with good and bad attempts."""
    shift_cost: str
    """What its shifts cost at providers, and its limit; empty where it sets none."""
    shadow: str
    """What ShiftTraffic would have done, for an objective that only alerts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: where, why, and what next."""

    name: str
    reason: str
    since: str
    """RFC 3339; empty: never moved."""
    last_decision: str
    fallback_in_use: bool
    pools: tuple[Pool, ...]
    votes: tuple[Vote, ...]
    next: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """One stage of the latency budget; times as status has them, empty where not known."""

    stage: str
    budget: str
    p50: str
    p99: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A whole route."""

    namespace: str
    route: str
    models: tuple[str, ...]
    control: str
    trouble: str
    """Why the route is not ready; empty where it is."""
    stages: tuple[Took, ...]
    """Where its latency budget goes; empty where it has none."""
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What there is to explain."""

    route: Body
    slos: Sequence[Body]
    """Objectives of the namespace."""
    pools: Mapping[str, Body]
    """Name -> ServingPool."""
    memory: Mapping[str, RuleMemory] | None
    """`namespace/route/rule` -> control memory; None: it could not be read."""
    hidden: str
    """Why the memory could not be read; empty where it could."""
    now: datetime


def explain(seen: Seen) -> Explanation:
    """Put everything about a route together.

    Raises:
        UnreadableRouteError: this version cannot read the route.
    """
    route = _whole(ModelRoute, seen.route)
    if isinstance(route, Problem):
        raise UnreadableRouteError(route.message)
    control = route.spec.traffic_control
    until = ""
    if control.pinned is not None:
        over = seen.now >= control.pinned.until
        until = f" until {rfc3339(control.pinned.until)}" + (
            ", which is over: as Auto" if over else ""
        )
    return Explanation(
        namespace=route.metadata.namespace,
        route=route.metadata.name,
        models=tuple(route.spec.model_names),
        control=f"{control.type}{until}",
        trouble=trouble(seen.route, READY),
        stages=tuple(
            Took(stage=one.stage, budget=one.budget, p50=one.p50, p99=one.p99)
            for one in route.status.latency_budget
        ),
        rules=tuple(
            _rule(seen, route, rule, name)
            for rule in route.spec.rules
            for name in _parts(route, rule.name)
        ),
    )


def _parts(route: ModelRoute, rule: str) -> list[str]:
    """Return the names of a rule's slices, and its own."""
    names = [one.name for one in route.status.rules if rule_of_name(one.name) == rule]
    return [*(name for name in names if name != rule), rule]


def _rule(seen: Seen, route: ModelRoute, rule: RouteRule, name: str) -> Rule:
    known = next((one for one in route.status.rules if one.name == name), None)
    shares = {one.name: one.share for one in known.shares} if known is not None else {}
    about = [slo for slo in _objectives(seen.slos) if _is_about(slo, route, rule, name)]
    roles = {one.name: ("primary", one.adapter or "") for one in rule.backend_refs}
    roles |= {one.name: ("fallback", one.adapter or "") for one in rule.fallback_refs}
    return Rule(
        name=name,
        reason=known.reason if known is not None else "Unknown",
        since=rfc3339(known.since) if known is not None and known.since is not None else "",
        last_decision=known.message if known is not None else "no router has written it yet",
        fallback_in_use=known is not None and known.fallback_in_use,
        pools=tuple(
            _pool(name, told, shares.get(name, 0), seen.pools.get(name))
            for name, told in roles.items()
        ),
        votes=tuple(_vote(slo, _controlled(route, rule.name, seen.now)) for slo in about),
        next=_next(seen, route, rule, name),
    )


def _pool(name: str, told: tuple[str, str], share: int, body: Body | None) -> Pool:
    role, adapter = told
    status = body.get("status", {}) if body is not None else {}
    return Pool(
        name=name,
        role=role,
        adapter=adapter,
        share=share,
        ready=int(status.get("readyReplicas", 0)),
        replicas=int(status.get("replicas", 0)),
        trouble=trouble(body, READY) if body is not None else "it does not exist",
    )


def _objectives(bodies: Sequence[Body]) -> list[TokenSLO]:
    return [slo for slo in (_whole(TokenSLO, body) for body in bodies) if isinstance(slo, TokenSLO)]


def _whole(model: type[T], body: Body) -> T | Problem:
    """Read an object with its status; without it where another version has written it."""
    try:
        return model.model_validate(body)
    except ValidationError:
        return parsed(model, body)


def _is_about(slo: TokenSLO, route: ModelRoute, rule: RouteRule, name: str) -> bool:
    target, selected, part = slo.spec.target_ref, selector_of(slo), slice_of_name(name)
    if target.name != route.metadata.name or target.section_name not in {None, rule.name}:
        return False
    acts = slice_name(rule.name, selected) in _parts(route, rule.name)
    return selected.covers(part) if acts else selected.overlaps(part)


def _controlled(route: ModelRoute, rule: str, now: datetime) -> bool:
    control = route.spec.traffic_control
    pinned = control.pinned
    if pinned is not None and now < pinned.until:
        return rule not in {one.name for one in pinned.rules}
    return control.type != "Disabled"


def _vote(slo: TokenSLO, controlled: bool) -> Vote:  # noqa: FBT001 - one fact about the rule
    status, shadow = slo.status, slo.status.shadow
    data = status.data.state
    return Vote(
        slo=slo.metadata.name,
        action=slo.spec.on_breach.type,
        says=_says(slo, controlled),
        state=status.state,
        data=f"{data} ({status.data.reason})" if status.data.reason else data,
        total=status.current.total,
        bad=status.current.bad,
        burn_rate=status.current.burn_rate,
        level=_level(slo),
        shift_cost=_shift_cost(slo),
        shadow=shadow.message if shadow is not None else "",
    )


def _level(slo: TokenSLO) -> str:
    """Say a value and its limit; empty where nothing is known, and for other objectives."""
    value, promised = slo.status.current.value, slo.spec.objective
    if promised.spend is not None:
        return _money(slo) if slo.status.spend is not None else ""
    if promised.cost_per_request is not None and value:
        return f"mean cost of a request {value}, limit {promised.cost_per_request.max}"
    if promised.cache_hit_rate is not None and value:
        return f"cache hit rate {value}, at least {promised.cache_hit_rate.min}"
    return ""


def _money(slo: TokenSLO) -> str:
    money, promised = slo.status.spend, slo.spec.objective.spend
    assert money is not None
    assert promised is not None
    end = f" at {rfc3339(money.ends)}" if money.ends is not None else ""
    then = f", forecast {money.forecast}{end}" if money.forecast else ""
    return f"spent {money.spent} of {promised.max} for the {promised.per.lower()}{then}"


def _shift_cost(slo: TokenSLO) -> str:
    cost = slo.status.shift_cost
    if cost is None:
        return ""
    found = next((one for one in slo.status.conditions if one.type == AFFORDABLE), None)
    why = f"; {found.message}" if found is not None and found.status != "True" else ""
    return f"shifts to External pools cost {cost.per_hour} an hour, at most {cost.max}{why}"


def _says(slo: TokenSLO, controlled: bool) -> str:  # noqa: FBT001 - see above
    met = next((one.status for one in slo.status.conditions if one.type == MET), "Unknown")
    found = {"True": "met", "False": "missed"}.get(met, "")
    known = found or {
        "NoTraffic": "no traffic: neither good nor bad",
        "Insufficient": "few attempts: proofs take longer",
    }.get(slo.status.data.state, "cannot see: shares are not raised")
    if slo.spec.on_breach.type == "Alert":
        return f"{known}; only alerts, and has no vote"
    if not controlled:
        return f"{known}; has no vote while shares are fixed by the route"
    unheard = next((one for one in slo.status.conditions if one.type == VOTING), None)
    if unheard is not None and unheard.status == "False":
        return f"{known}; has no vote: {unheard.message}"
    return known


def _next(seen: Seen, route: ModelRoute, rule: RouteRule, name: str) -> tuple[str, ...]:
    pinned = route.spec.traffic_control.pinned
    if not _controlled(route, rule.name, seen.now):
        if pinned is None:
            return ("shares stay, or step back to, the weights as written: control is Disabled",)
        return (f"shares stay as pinned until {rfc3339(pinned.until)}, then step back",)
    voters = [
        slo
        for slo in promises_of(seen.slos)
        if slo.shifts and (slo.namespace, slo.route, slo.rule) == _key(route, rule.name)
        if Slice(features=slo.features, request_types=slo.request_types).covers(slice_of_name(name))
    ]
    if seen.memory is None:
        return (f"the timers cannot be read: {seen.hidden}",)
    memory = seen.memory.get(str(_key(route, name)), RuleMemory())
    policy = combined(slo.policy for slo in voters)
    said: list[str] = []
    weights = {ref.name: ref.weight for ref in rule.backend_refs}
    for backend in rule.backend_refs:
        loop = memory.loops.get(backend.name, REST)
        if voters or loop.shifted:
            share = baseline(weights)[backend.name] / BUCKETS * loop.w
            rate = _rate(seen, voters, loop.cause, share)
            said += next_steps(loop, backend.name, policy, seen.now, rate)
        level = memory.levels.get(backend.name, REST)
        if level.shifted:
            said.append(
                f"{backend.name}: cost or caching leaves it {level.w:.0%} of its share; a step of"
                f" {LEVEL_STEP:.0%} at a time, while latency and errors are well"
            )
    if voters:
        return tuple(said)
    return (*said, "no objective with onBreach ShiftTraffic is about this rule: nothing shifts it")


def _rate(seen: Seen, voters: Iterable[Promise], cause: str, share: float) -> Rate | None:
    """Return how fast evidence comes, by what the objective that made the shift saw last."""
    slo = next((v for v in voters if v.name == cause and isinstance(v, ObjectiveSpec)), None)
    body = next((one for one in seen.slos if one["metadata"]["name"] == cause), None)
    if slo is None or body is None:
        return None
    total = body.get("status", {}).get("current", {}).get("total", 0)
    rate = total / slo.windows.long.total_seconds()
    return Rate(attempts=rate * share, budget=slo.budget, min_bad=slo.min_bad)


def _key(route: ModelRoute, rule: str) -> RuleKey:
    return RuleKey(route.metadata.namespace, route.metadata.name, rule)
