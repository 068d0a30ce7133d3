"""The fleet at a glance, from objects as the API server holds them.

One value for terminals and for the console's page. It reads plain JSON and believes nothing to be
there: an object that an older or newer version has written is shown as far as it says anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from tokenfleet.api.conditions import FALLBACK_AVAILABLE, MET, READY
from tokenfleet.domain.fleet.stored_conditions import stored, trouble

Body = Mapping[str, Any]

Verdict = Literal["met", "missed", "unknown", "none"]
"""What the objectives of a rule come to; `none`: there is none. The worst one speaks."""

_WORST: Final[tuple[Verdict, ...]] = ("missed", "unknown", "met")
_SAID: Final[Mapping[str, Verdict]] = {"True": "met", "False": "missed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A pool's part of a rule."""

    pool: str
    role: Literal["primary", "fallback", "other"]
    """`other`: it has a share, and the rule does not name it."""
    adapter: str
    """LoRA adapter that the rule asks for; empty: the pool's model."""
    share: int
    """Conversations of 1000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """Where a rule's traffic goes, and why."""

    name: str
    reason: str
    """As in the route's status; `Unknown` before an operator has looked."""
    since: str
    """RFC 3339; empty: never moved."""
    message: str
    verdict: Verdict
    flows: tuple[Flow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """A ModelRoute."""

    namespace: str
    name: str
    models: tuple[str, ...]
    control: str
    """Auto, Disabled or Pinned."""
    pinned_until: str
    trouble: str
    """Why it is not ready; empty where it is."""
    warning: str
    """Why no fallback can stand in; empty where one can."""
    rules: tuple[RuleView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """A ServingPool."""

    namespace: str
    name: str
    type: str
    ready: int
    replicas: int
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterView:
    """A ModelRouter."""

    namespace: str
    name: str
    revision: int
    acknowledged: str
    """Replicas that run the newest revision, of all ready ones, as `2/2`."""
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldHave:
    """What an objective that only alerts would have done."""

    flows: tuple[Flow, ...]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveView:
    """A TokenSLO."""

    namespace: str
    name: str
    route: str
    rule: str
    """Empty: all rules of the route."""
    promise: str
    """In words, such as `95 % of first tokens within 500ms`."""
    action: str
    """Alert or ShiftTraffic."""
    verdict: Verdict
    state: str
    data: str
    """OK, NoTraffic, Insufficient or Unknown; with its reason where there is one."""
    burn_rate: str
    """Empty: nothing was measured."""
    total: int
    bad: int
    value: str
    """Mean cost of a request, or cache hit rate; empty for other objectives."""
    p50: str
    p99: str
    budget_remaining: str
    """Part of the error budget, `1` is untouched; empty: not known."""
    would_have: WouldHave | None
    last_decision: str
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """Everything, sorted by namespace and name."""

    routers: tuple[RouterView, ...]
    routes: tuple[RouteView, ...]
    pools: tuple[PoolView, ...]
    objectives: tuple[ObjectiveView, ...]


def fleet_view(
    *,
    routers: Iterable[Body],
    routes: Iterable[Body],
    pools: Iterable[Body],
    objectives: Iterable[Body],
) -> FleetView:
    """Put objects together; linear in their number."""
    seen = tuple(_objective(body) for body in _sorted(objectives))
    verdicts: dict[tuple[str, str], list[tuple[str, Verdict]]] = {}
    for one in seen:
        verdicts.setdefault((one.namespace, one.route), []).append((one.rule, one.verdict))
    return FleetView(
        routers=tuple(_router(body) for body in _sorted(routers)),
        routes=tuple(_route(body, verdicts.get(_place(body), [])) for body in _sorted(routes)),
        pools=tuple(_pool(body) for body in _sorted(pools)),
        objectives=seen,
    )


def troubles(view: FleetView) -> tuple[str, ...]:
    """Return what somebody should look at, one sentence each; nothing where all is well."""
    said = [
        f"{kind} {one.namespace}/{one.name} is not ready: {one.trouble}"
        for kind, ones in (
            ("ModelRouter", view.routers),
            ("ModelRoute", view.routes),
            ("ServingPool", view.pools),
            ("TokenSLO", view.objectives),
        )
        for one in ones
        if one.trouble
    ]
    for slo in view.objectives:
        if slo.verdict == "missed":
            would = f"; would have: {slo.would_have.message}" if slo.would_have else ""
            name = f"TokenSLO {slo.namespace}/{slo.name}"
            rate = slo.burn_rate or "not known"
            said.append(f"{name} misses {slo.promise}: burn rate {rate}{would}")
    for route in view.routes:
        place = f"ModelRoute {route.namespace}/{route.name}"
        if route.warning:
            said.append(f"{place}: {route.warning}")
        if route.control == "Pinned":
            said.append(f"{place} is pinned until {route.pinned_until}")
        if route.control == "Disabled":
            said.append(f"{place} is not controlled: spec.trafficControl.type is Disabled")
    return tuple(said)


def _route(body: Body, verdicts: Sequence[tuple[str, Verdict]]) -> RouteView:
    spec, (namespace, name) = body.get("spec", {}), _place(body)
    control = spec.get("trafficControl", {})
    known = {one["name"]: one for one in body.get("status", {}).get("rules", ())}
    return RouteView(
        namespace=namespace,
        name=name,
        models=tuple(spec.get("modelNames", ())),
        control=control.get("type", "Auto"),
        pinned_until=_pinned_until(control),
        trouble=trouble(body, READY),
        warning=_warning(body),
        rules=tuple(
            _rule(rule, known.get(rule["name"], {}), verdicts) for rule in spec.get("rules", ())
        ),
    )


def _pinned_until(control: Body) -> str:
    if control.get("type") != "Pinned":
        return ""
    return str((control.get("pinned") or {}).get("until", ""))


def _rule(spec: Body, status: Body, verdicts: Sequence[tuple[str, Verdict]]) -> RuleView:
    mine = {verdict for rule, verdict in verdicts if rule in ("", spec["name"])}
    return RuleView(
        name=spec["name"],
        reason=status.get("reason", "Unknown"),
        since=status.get("since", ""),
        message=status.get("message", ""),
        verdict=next((verdict for verdict in _WORST if verdict in mine), "none"),
        flows=_flows(spec, status.get("shares", ())),
    )


_ROLES: Final[tuple[tuple[Literal["primary", "fallback"], str], ...]] = (
    ("primary", "backendRefs"),
    ("fallback", "fallbackRefs"),
)


def _flows(spec: Body, shares: Iterable[Body]) -> tuple[Flow, ...]:
    told = {one["name"]: int(one["share"]) for one in shares}
    flows = [
        Flow(
            pool=ref["name"],
            role=role,
            adapter=ref.get("adapter", ""),
            share=told.pop(ref["name"], 0),
        )
        for role, field in _ROLES
        for ref in spec.get(field, ())
    ]
    others = (Flow(pool=name, role="other", adapter="", share=n) for name, n in told.items() if n)
    return (*flows, *others)


def _pool(body: Body) -> PoolView:
    status, (namespace, name) = body.get("status", {}), _place(body)
    return PoolView(
        namespace=namespace,
        name=name,
        type=body.get("spec", {}).get("type", ""),
        ready=int(status.get("readyReplicas", 0)),
        replicas=int(status.get("replicas", 0)),
        trouble=trouble(body, READY),
    )


def _router(body: Body) -> RouterView:
    status, (namespace, name) = body.get("status", {}), _place(body)
    return RouterView(
        namespace=namespace,
        name=name,
        revision=int(status.get("configRevision", 0)),
        acknowledged=status.get("acknowledged", ""),
        trouble=trouble(body, READY),
    )


def _objective(body: Body) -> ObjectiveView:
    spec, status, (namespace, name) = body.get("spec", {}), body.get("status", {}), _place(body)
    target, current = spec.get("targetRef", {}), status.get("current", {})
    quantiles, data = status.get("quantiles", {}), status.get("data", {})
    return ObjectiveView(
        namespace=namespace,
        name=name,
        route=target.get("name", ""),
        rule=target.get("sectionName", ""),
        promise=promise(spec.get("objective", {})),
        action=spec.get("onBreach", {}).get("type", "Alert"),
        verdict=_SAID.get(stored(body, MET).get("status", ""), "unknown"),
        state=status.get("state", ""),
        data=" ".join(filter(None, (data.get("state", "Unknown"), data.get("reason", "")))),
        burn_rate=current.get("burnRate", ""),
        total=int(current.get("total", 0)),
        bad=int(current.get("bad", 0)),
        value=current.get("value", ""),
        p50=quantiles.get("p50", ""),
        p99=quantiles.get("p99", ""),
        budget_remaining=(status.get("budget") or {}).get("remaining", ""),
        would_have=_would_have(status.get("shadow")),
        last_decision=(status.get("lastDecision") or {}).get("reason", ""),
        trouble=trouble(body, READY),
    )


def _would_have(shadow: Body | None) -> WouldHave | None:
    if not shadow or not shadow.get("message"):
        return None
    flows = (
        Flow(pool=one["name"], role="other", adapter="", share=int(one["share"]))
        for one in shadow.get("shares", ())
    )
    return WouldHave(flows=tuple(flows), message=shadow["message"])


_TIMED: Final = {
    "TimeToFirstToken": "first tokens",
    "EndToEnd": "answers",
    "TimePerOutputToken": "streams with a token",
}


def promise(objective: Body) -> str:
    """Say in words what an objective promises; its type where this version does not know it."""
    latency, errors = objective.get("latency"), objective.get("errorRate")
    cost, cache = objective.get("costPerRequest"), objective.get("cacheHitRate")
    spend, path = objective.get("spend"), objective.get("fastPathShare")
    if latency:
        what = _TIMED.get(latency.get("signal", "TimeToFirstToken"), latency.get("signal", ""))
        every = "every" if what.startswith("streams") else "within"
        return f"{_percent(latency.get('target'))} of {what} {every} {latency.get('threshold')}"
    if errors:
        return f"at most {_percent(errors.get('max'))} errors"
    if money := cost or spend:
        each = "an hour" if money.get("per") == "Hour" else "a day"
        return f"at most {money.get('max')} {'a request' if cost else each}"
    if part := cache or path:
        of = "prompts cached" if cache else "requests by this rule"
        return f"at least {_percent(part.get('min'))} of {of}"
    return str(objective.get("type", ""))


def _percent(fraction: Any) -> str:
    try:
        return f"{100 * float(fraction):g} %"
    except (TypeError, ValueError):
        return str(fraction)


def _sorted(bodies: Iterable[Body]) -> list[Body]:
    return sorted(bodies, key=_place)


def _place(body: Body) -> tuple[str, str]:
    return body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _warning(body: Body) -> str:
    found = stored(body, FALLBACK_AVAILABLE)
    return str(found.get("message", "")) if found.get("status") == "False" else ""
