"""Status of a TokenSLO: a view of what the control loop sees and did.

Live numbers change with every tick and every write costs etcd a revision:

    =====================================================  =====================================
    what changed                                           written
    =====================================================  =====================================
    state, condition, decision, shadow, generation         at once
    numbers, while shifted or missed, or a budget's worth  after `LIVELY`
    numbers                                                after one to two `HEARTBEAT`, by object
    =====================================================  =====================================

1,000 objectives that are met thus cost less than one write per second. Metrics are live.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tokenfleet.api.conditions import ACCEPTED, AFFORDABLE, MET, RESOLVED_REFS, VOTING
from tokenfleet.api.conditions import DATA_AVAILABLE as DATA
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.fleet.conditions import condition, judged, merged, rfc3339, summary
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.plan import Plan
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.slo_pace import Pace, hasty, never_fresh
from tokenfleet.domain.fleet.slo_problems import slo_problems
from tokenfleet.domain.slo.control.memory import State
from tokenfleet.domain.slo.engine import SLOView
from tokenfleet.domain.slo.objectives.error_budget import Budget
from tokenfleet.domain.spending.burners import UserBurner

Body = Mapping[str, Any]

HEARTBEAT: Final = timedelta(minutes=30)
"""Most often that the numbers of an objective at rest are written."""

LIVELY: Final = timedelta(seconds=30)
"""Most often that numbers are written while somebody is likely to look: two default ticks."""

NOTABLE: Final = 1.0
"""Change of the burn rate that people should not wait for: as much as the whole budget allows."""

OVERSPENT: Final = -9999.0
"""Where counting how far a budget is overspent ends."""

MESSAGE: Final = 256
"""Longest message about the data."""

REASON: Final = 512
"""Longest reason of a decision."""

LIVE: Final = ("current", "quantiles", "budget", "topBurners", "spend", "shiftCost")
"""Parts of the status that are numbers and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SloSnapshot:
    """What is seen of one objective at one instant."""

    body: Body
    route: Body | None
    """The route that it is about."""
    view: SLOView | None
    """None: no router has judged it yet."""
    budget: Budget | None = None
    """What is left of its error budget; None where it has none, or nothing is known."""
    users: tuple[UserBurner, ...] = ()
    """Who spends most of its money; empty for other objectives."""
    routed: bool
    """Whether a router that carries the route exists; its visit brings the view."""
    pace: Pace | None = None
    """How often is looked and scraped; None: not known."""
    written_at: datetime | None
    """When this process last wrote its status, or first saw it; None: never."""
    now: datetime


def plan_slo(seen: SloSnapshot) -> Plan:
    """Plan the status of one objective; nothing else belongs to it."""
    slo = parsed(TokenSLO, seen.body)
    problems = [slo] if isinstance(slo, Problem) else _problems(slo, seen)
    generation = seen.body["metadata"].get("generation", 0)
    old = seen.body.get("status", {})
    if not problems and seen.view is None and seen.routed and seen.written_at is None and old:
        return Plan()  # A restarted operator waits for the router's visit; the old words stand.
    view = seen.view if not isinstance(slo, Problem) else None
    haste = hasty(slo, seen.pace) if isinstance(slo, TokenSLO) and seen.pace is not None else ""
    fresh = _conditions(problems, view, haste)
    if view is not None and not isinstance(slo, Problem):
        fresh.append(_voting(slo, view, seen.route))
        fresh += _affordable(view)
    status: dict[str, Any] = {
        "observedGeneration": generation,
        **(_judged(view) if view is not None else {}),
        **(_budget(seen.budget) if seen.budget is not None else {}),
        **({"topBurners": _users(seen.users)} if seen.users else {}),
        "conditions": merged(old.get("conditions", ()), fresh, generation=generation, now=seen.now),
    }
    if _steady(old) != _steady(status):
        return Plan(status=status)
    pause = LIVELY if view is not None and _lively(view, old) else heartbeat(seen.body)
    wait = (seen.written_at or seen.now) + pause - seen.now
    if wait > timedelta() and old != status:
        return Plan(requeue_after=wait)
    return Plan(status=status)


def heartbeat(body: Body) -> timedelta:
    """Return the pause between two writes of numbers at rest: one to two times `HEARTBEAT`.

    It is the object's own and always the same, so that a thousand objectives that were created
    together do not go on being written together.
    """
    place = f"{body['metadata']['namespace']}/{body['metadata']['name']}"
    return HEARTBEAT * (1 + zlib.crc32(place.encode()) / 2**32)


def _lively(view: SLOView, old: Mapping[str, Any]) -> bool:
    written = float(old.get("current", {}).get("burnRate") or 0)
    moved = abs(view.burn_rate - written) >= NOTABLE
    return view.state != State.NORMAL or view.met is False or moved


def _problems(slo: TokenSLO, seen: SloSnapshot) -> list[Problem]:
    found = slo_problems(slo, seen.route, kept=seen.view is not None)
    return [*found, *(never_fresh(slo, seen.pace) if seen.pace is not None else ())]


def _conditions(problems: Sequence[Problem], view: SLOView | None, haste: str) -> list[Condition]:
    fresh = [
        judged(ACCEPTED, problems, reason="Accepted"),
        judged(RESOLVED_REFS, problems, reason="ResolvedRefs"),
    ]
    if view is None:
        text = "no router has judged this objective yet"
        fresh += [condition(DATA, "Unknown", reason="NotJudged", message=text)]
        fresh += [condition(MET, "Unknown", reason="NotJudged", message=text)]
    else:
        fresh += [_data(view, haste), _met(view)]
    fresh.append(summary(fresh, (ACCEPTED, RESOLVED_REFS, DATA), message="the objective is judged"))
    return fresh


def _data(view: SLOView, haste: str) -> Condition:
    """Say whether the loop can see; the numbers stand in `status.data`, which may change freely.

    How it is judged otherwise than written is no trouble, and said beside.
    """
    data = view.data
    if not data.known:
        return condition(DATA, status=False, reason=data.reason or "Unknown", message=data.message)
    notes = "; ".join(filter(None, (view.note, haste)))
    return condition(DATA, status=True, reason=data.kind.value, message=notes)


def _voting(slo: TokenSLO, view: SLOView, route: Body | None) -> Condition:
    if slo.spec.on_breach.type == "Alert":
        return condition(VOTING, status=False, reason="AlertOnly")
    if route is not None and not _has_fallback(slo, route):
        text = (
            f"rule {slo.spec.target_ref.section_name} of ModelRoute {slo.spec.target_ref.name} has"
            " no fallbackRefs: nothing can take its traffic; name a pool there, or alert only"
        )
        return condition(VOTING, status=False, reason="NoFallback", message=text)
    if view.refused is not None:
        return condition(
            VOTING, status=False, reason=view.refused.reason, message=view.refused.message
        )
    return condition(VOTING, status=True, reason="Voting")


def _affordable(view: SLOView) -> list[Condition]:
    """Say whether more may be shifted to External pools; nothing where no limit is set."""
    cost = view.shift_cost
    if cost is None:
        return []
    if cost.room == "NotMeasured":
        return [condition(AFFORDABLE, "Unknown", reason=cost.room, message=cost.message)]
    within = cost.room == "WithinLimit"
    return [condition(AFFORDABLE, status=within, reason=cost.room, message=cost.message)]


def _has_fallback(slo: TokenSLO, route: Body) -> bool:
    rules = [
        rule for rule in route["spec"]["rules"] if rule["name"] == slo.spec.target_ref.section_name
    ]
    return not rules or any(rule.get("fallbackRefs") for rule in rules)


def _met(view: SLOView) -> Condition:
    if view.met is None:
        return condition(MET, "Unknown", reason=view.data.kind.value)
    return condition(MET, status=view.met, reason="Met" if view.met else "Missed")


def burn_rate(view: SLOView) -> float | None:
    """Return the burn rate of the long window; None where nothing was measured, which is not 0."""
    return view.burn_rate if view.data.known and (view.total or view.value) else None


def _judged(view: SLOView) -> dict[str, Any]:
    rate = burn_rate(view)
    status: dict[str, Any] = {
        "state": view.state,
        "data": {
            "state": view.data.kind.value,
            "reason": view.data.reason,
            "message": view.data.message[:MESSAGE],
        },
        "current": {
            "total": view.total,
            "bad": view.bad,
            **({"burnRate": f"{rate:.2f}"} if rate is not None else {}),
            **({"value": view.value} if view.value else {}),
        },
        "quantiles": {"p50": seconds(view.p50), "p99": seconds(view.p99)},
    }
    if view.shadow is not None:
        status["shadow"] = {
            "shares": [{"name": p, "share": share} for p, share in view.shadow.shares.items()],
            "transition": view.shadow.transition,
            "message": view.shadow.message[:REASON],
        }
    if view.spend is not None:
        status["spend"] = {
            "spent": f"{view.spend.spent:.6g}",
            "forecast": f"{view.spend.forecast:.6g}" if view.spend.forecast is not None else "",
            "ends": rfc3339(view.spend.ends),
        }
    if view.shift_cost is not None:
        status["shiftCost"] = {
            "perHour": f"{view.shift_cost.per_hour:.6g}",
            "max": f"{view.shift_cost.limit:.6g}",
        }
    if view.last is not None:
        status["lastDecision"] = {
            "id": view.last.id,
            "transition": view.last.transition,
            "at": rfc3339(view.last.at),
            "fromShare": view.last.from_share,
            "toShare": view.last.to_share,
            "reason": view.last.reason[:REASON],
        }
    return status


def _budget(left: Budget) -> dict[str, Any]:
    return {
        "budget": {
            "remaining": f"{max(left.remaining, OVERSPENT):.3f}",
            "total": left.total,
            "bad": left.bad,
            "covered": f"{left.covered:.2f}",
        },
        "topBurners": [
            {"rule": who.rule, "feature": who.feature, "bad": who.bad, "part": f"{who.part:.2f}"}
            for who in left.burners
        ],
    }


def _users(users: Sequence[UserBurner]) -> list[dict[str, Any]]:
    return [{"user": one.user, "part": f"{one.part:.2f}"} for one in users]


def seconds(value: float | None) -> str:
    """Write a time for people: `85ms`, `1.25s`; empty where there is none."""
    if value is None:
        return ""
    return f"{value * 1000:.0f}ms" if value < 1 else f"{value:.3g}s"


def _steady(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return a status without what may change with every tick."""
    steady = {key: value for key, value in status.items() if key not in LIVE}
    data = steady.get("data", {})
    return {**steady, "data": {key: data.get(key) for key in ("state", "reason")}}
