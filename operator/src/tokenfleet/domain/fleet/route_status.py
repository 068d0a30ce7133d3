"""Status of a ModelRoute: a view of what its routers found out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from tokenfleet.api.conditions import ACCEPTED, FALLBACK_AVAILABLE, PROGRAMMED, READY, RESOLVED_REFS
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.domain.fleet.conditions import (
    condition,
    held_over,
    judged,
    merged,
    rfc3339,
    summary,
)
from tokenfleet.domain.fleet.guests import guest_access
from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey
from tokenfleet.domain.fleet.latency_status import latency
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.plan import Plan
from tokenfleet.domain.fleet.pool_visit import strangers
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.views import RouteView
from tokenfleet.domain.routing.naming import local_name, place_of
from tokenfleet.domain.routing.rules import POOL_NOT_IN_RULE
from tokenfleet.domain.slo.objectives.latency_stages import Stage

Body = Mapping[str, Any]

LAST_GOOD: Final = "no pool of this rule can be used; what the router ran last stays"
"""Said of a rule that the control loop has nothing to decide about."""

LINE: Final = 256
"""Longest one-line summary; wider columns break `kubectl get`."""

MOVED: Final = Decimal("0.05")
"""Change of a measured share that is worth a write by itself: less is noise of an hour's traffic,
and the metric has it anyway."""

MESSAGE: Final = 512
"""Longest message of a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSnapshot:
    """What is seen of one route at one instant."""

    body: Body
    views: Mapping[str, RouteView | None]
    """Router -> its view, in the order of parentRefs; one of another namespace as
    `namespace/name`. None: the router exists and has not been visited since this process started,
    or since the route was created."""
    missing: tuple[str, ...]
    """Routers that parentRefs name and that do not exist."""
    refusing: tuple[str, ...] = ()
    """Routers of other namespaces that do not take routes of this one."""
    guests: tuple[Body, ...] = ()
    """Routers of other namespaces that do, as stored."""
    children: tuple[Body, ...] = ()
    """What the route owns."""
    kept: Mapping[str, RouteView] = field(default_factory=dict)
    """While some do not exist: every router that carries the route, named or not."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Rule -> its part of the route's requests in the last hour, 0..1; absent: not known."""
    stages: tuple[Stage, ...] = ()
    """Of its latency budget; empty where it has none."""
    now: datetime


def plan_route(seen: RouteSnapshot) -> Plan:
    """Plan one route: its status, and what lets routers of other namespaces reach its pools."""
    status, left = _status(seen), _pinned_for(seen)
    guests = [parsed(ModelRouter, body) for body in seen.guests]
    routers = [one for one in guests if isinstance(one, ModelRouter)]
    if len(routers) < len(guests):
        return Plan(
            status=status, requeue_after=left
        )  # One that cannot be read goes on running, and needs its rights.
    access = guest_access(seen.body, routers)
    foreign = strangers(seen.children, access)
    return Plan(applies=access, deletes=foreign, status=status, requeue_after=left)


def _status(seen: RouteSnapshot) -> dict[str, Any] | None:
    """Return the whole status; None: it stays as it is."""
    carrying = _carrying(seen)
    views = list(carrying.values())
    if not views and not seen.missing and not seen.refusing:
        return None  # The router's visit is under way and wakes this route.
    problems = [*(_no_router(seen, name) for name in seen.missing)]
    problems += [_refused(seen, name) for name in seen.refusing]
    problems += [problem for view in views for problem in view.problems]
    generation = seen.body["metadata"].get("generation", 0)
    status = seen.body.get("status", {})
    previous = status.get("conditions", ())
    programmed = held_over(_programmed(views), previous, generation=generation)
    rivals = "; ".join(dict.fromkeys(words for view in views for words in view.rivals))
    fresh = [
        judged(ACCEPTED, problems, reason="Accepted", message=rivals),
        judged(RESOLVED_REFS, problems, reason="ResolvedRefs"),
        programmed,
    ]
    rules = _rules(seen)
    traffic = _traffic(rules)
    ready = judged(READY, problems, reason="Ready", message=traffic)
    asleep = judged(FALLBACK_AVAILABLE, problems, reason="Available")
    fresh += [asleep] if asleep.status == "False" else []
    folded = summary(fresh, (ACCEPTED, RESOLVED_REFS, PROGRAMMED), message=traffic)
    fresh.append(folded if folded.status != "True" else ready)
    before = seen.body.get("status", {})
    return {
        "observedGeneration": generation,
        "control": _control(seen, problems),
        "parents": _parents(seen),
        "rules": rules,
        **latency(seen.stages, before, others=rules == before.get("rules", [])),
        "traffic": traffic,
        "conditions": merged(previous, fresh, generation=generation, now=seen.now),
    }


def _control(seen: RouteSnapshot, problems: Sequence[Problem]) -> str:
    """Return who decides the shares now, which need not be who was asked to."""
    asked = seen.body["spec"].get("trafficControl", {})
    kind = str(asked.get("type", "Auto"))
    if kind != "Pinned":
        return kind
    if _pinned_for(seen) is None:
        return "PinEnded"
    refused = any(problem.reason == POOL_NOT_IN_RULE for problem in problems)
    return "PinRefused" if refused else kind


def _pinned_for(seen: RouteSnapshot) -> timedelta | None:
    """Return for how long a pin is still in force; None: there is none, or it is over."""
    asked = seen.body["spec"].get("trafficControl", {})
    if asked.get("type") != "Pinned" or "pinned" not in asked:
        return None
    left = datetime.fromisoformat(asked["pinned"]["until"]) - seen.now
    return left if left > timedelta() else None


def router_of(reference: Body, route: Body) -> ObjectKey:
    """Return the router that one of a route's parentRefs names."""
    home = route["metadata"]["namespace"]
    return ObjectKey(ROUTER, reference.get("namespace", home), reference["name"])


def _router(reference: Body, route: Body) -> str:
    """Return what a route calls a router of its parentRefs."""
    key = router_of(reference, route)
    return local_name(key.namespace, key.name, at=route["metadata"]["namespace"])


def _parents(seen: RouteSnapshot) -> list[dict[str, Any]]:
    """Return the word of every router in parentRefs of which something is known, in that order."""
    named = {_router(ref, seen.body): ref for ref in seen.body["spec"].get("parentRefs", ())}
    silent = {name for name, view in seen.views.items() if view is None}
    return [_parent(seen, name, ref) for name, ref in named.items() if name not in silent]


def _parent(seen: RouteSnapshot, name: str, reference: Body) -> dict[str, Any]:
    """Return what one router makes of the route, as the Gateway API has it."""
    view = seen.views.get(name)
    if view is not None:
        problems = list(view.problems)
    else:
        words = _refused if name in seen.refusing else _no_router
        problems = [words(seen, name)]
    before = seen.body.get("status", {}).get("parents", ())
    known = (one["conditions"] for one in before if _router(one["parentRef"], seen.body) == name)
    previous = next(known, ())
    generation = seen.body["metadata"].get("generation", 0)
    word = held_over(
        _programmed([view] if view is not None else []), previous, generation=generation
    )
    rivals = "; ".join(view.rivals) if view is not None else ""
    fresh = [
        judged(ACCEPTED, problems, reason="Accepted", message=rivals),
        judged(RESOLVED_REFS, problems, reason="ResolvedRefs"),
        word,
    ]
    conditions = merged(previous, fresh, generation=generation, now=seen.now)
    kept = {key: reference[key] for key in ("name", "namespace") if key in reference}
    return {"parentRef": kept, "conditions": conditions}


def _carrying(seen: RouteSnapshot) -> dict[str, RouteView]:
    """Return router -> view: those that parentRefs name first, then those that keep the route."""
    named = {name: view for name, view in seen.views.items() if view is not None}
    return {**named, **{name: view for name, view in seen.kept.items() if name not in named}}


def _no_router(seen: RouteSnapshot, name: str) -> Problem:
    place = place_of(name, at=seen.body["metadata"]["namespace"])
    keeping = ", ".join(sorted(seen.kept.keys() - seen.views.keys()))
    meanwhile = f"; until then {ROUTER} {keeping} goes on carrying it" if keeping else ""
    unwatched = ", which the operator may not watch" if name != place.name else ""
    return Problem(
        condition=RESOLVED_REFS,
        reason="RouterNotFound",
        message=f"{ROUTER} {place.name} does not exist in namespace {place.namespace}{unwatched};"
        f" create it or correct spec.parentRefs{meanwhile}",
    )


def _refused(seen: RouteSnapshot, name: str) -> Problem:
    return Problem(
        condition=ACCEPTED,
        reason="NotAllowedByRouter",
        message=f"{ROUTER} {name} does not take routes of namespace"
        f" {seen.body['metadata']['namespace']}; whoever owns it allows them in"
        " spec.allowedRoutes.namespaces",
    )


def _programmed(views: Sequence[RouteView]) -> Condition:
    """Return the first router's word that is not True, else the first one."""
    if not views:
        text = "no router carries this route"
        return condition(PROGRAMMED, status=False, reason="NoRouter", message=text)
    words = [view.programmed for view in views]
    return next((word for word in words if word.status != "True"), words[0])


def _rules(seen: RouteSnapshot) -> list[dict[str, Any]]:
    """Return the rules of the first router; what was known before where it does not know."""
    told = list(_carrying(seen).items())
    shares = told[0][1].shares if told else None
    if shares is None:
        return list(seen.body.get("status", {}).get("rules", ()))
    rules = [_rule(rule, mine, told) for rule, mine in shares.items()]
    return _with_measured(rules, seen)


def _with_measured(rules: list[dict[str, Any]], seen: RouteSnapshot) -> list[dict[str, Any]]:
    """Add what was measured; what was told before where it is all that has changed, and little."""
    written = list(seen.body.get("status", {}).get("rules", ()))
    before = {rule["name"]: str(rule.get("measuredShare", "")) for rule in written}
    found = {name: f"{part:.2f}" for name, part in seen.measured.items()}
    fresh = [_measured(rule, found) for rule in rules]
    same = [_measured(rule, before) for rule in rules] == written
    moved = any(_moved(before.get(rule["name"], ""), found.get(rule["name"], "")) for rule in rules)
    return written if same and not moved else fresh


def _measured(rule: Mapping[str, Any], shares: Mapping[str, str]) -> dict[str, Any]:
    part = shares.get(rule["name"], "")
    return {**rule, "measuredShare": part} if part else dict(rule)


def _moved(before: str, after: str) -> bool:
    if not before or not after:
        return before != after
    return abs(Decimal(after) - Decimal(before)) >= MOVED


def _rule(
    name: str, shares: Mapping[str, int], told: Sequence[tuple[str, RouteView]]
) -> dict[str, Any]:
    why = told[0][1].rules.get(name)
    words = [why.message if why is not None else LAST_GOOD]
    differing = [
        f"router {router} sends {_percent(view.shares[name])}"
        for router, view in told
        if view.shares is not None and view.shares.get(name, shares) != shares
    ]
    if differing:
        words = [f"these are the shares of router {told[0][0]}", *differing, *words]
    entry: dict[str, Any] = {
        "name": name,
        "shares": [{"name": pool, "share": share} for pool, share in shares.items()],
        "reason": why.reason if why is not None else "Held",
        "message": "; ".join(word for word in words if word)[:MESSAGE],
        "fallbackInUse": why is not None and why.fallback_in_use,
    }
    if why is not None and why.since is not None:
        entry["since"] = rfc3339(why.since)
    return entry


def _traffic(rules: Sequence[Body]) -> str:
    """Say in one line where all of it goes: `fast small 100% | slow large 45% cpu 55%`."""
    parts = []
    for rule in rules:
        shares = {share["name"]: share["share"] for share in rule["shares"]}
        parts.append(f"{rule['name']} {_percent(shares)}")
    text = " | ".join(parts)
    return text if len(text) <= LINE else f"{text[: LINE - 1]}…"


def _percent(shares: Mapping[str, int]) -> str:
    used = [f"{pool} {share / 10:g}%" for pool, share in shares.items() if share]
    return " ".join(used) or "nowhere"
