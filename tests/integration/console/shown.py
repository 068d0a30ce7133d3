"""Fleets for the page: one with everything in it, and a large one; and their past."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import sin
from typing import Any

from tests.unit.domain.fleet.builders import pool, route, router, slo
from tokenfleet.domain.console.decisions import DecisionView
from tokenfleet.domain.console.documents import fleet_document, timeline_document
from tokenfleet.domain.console.fleet_view import fleet_view
from tokenfleet.domain.console.timeline import Line, Timeline

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
READY = {"type": "Ready", "status": "True", "reason": "Ready", "message": ""}


def rule(name: str, backends: tuple[str, ...], fallbacks: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "name": name,
        "backendRefs": [{"name": one} for one in backends],
        "fallbackRefs": [{"name": one} for one in fallbacks],
    }


def told(name: str, reason: str, message: str = "", **shares: int) -> dict[str, Any]:
    listed = [{"name": one.replace("_", "-"), "share": n} for one, n in shares.items()]
    since = "2026-03-01T11:41:00Z" if reason != "AsWritten" else ""
    return {"name": name, "reason": reason, "message": message, "since": since, "shares": listed}


def a_route(name: str, namespace: str, rules: list[Any], status: list[Any], **spec: Any) -> Any:
    body = route(status={"rules": status, "conditions": [READY]})
    body["metadata"] |= {"name": name, "namespace": namespace}
    body["spec"] |= {"modelNames": [name], "rules": rules, **spec}
    return body


def a_pool(name: str, namespace: str, ready: int, replicas: int, trouble: str = "") -> Any:
    body = pool(name)
    body["metadata"]["namespace"] = namespace
    status = {"type": "Ready", "status": "False", "reason": "Unavailable", "message": trouble}
    conditions = [status if trouble else READY]
    body["status"] = {"replicas": replicas, "readyReplicas": ready, "conditions": conditions}
    return body


def an_objective(
    name: str, namespace: str, about: str, met: str, burn: str, left: str, **more: Any
) -> Any:
    body = slo(name, onBreach={"type": more.pop("action", "ShiftTraffic")})
    target, _, section = about.partition("/")
    body["metadata"]["namespace"] = namespace
    body["spec"]["targetRef"] = {"name": target, **({"sectionName": section} if section else {})}
    if "objective" in more:
        body["spec"]["objective"] = more.pop("objective")
    body["status"] = {
        "conditions": [READY, {"type": "Met", "status": met, "reason": "x", "message": ""}],
        "current": {"total": 812, "bad": 64, "burnRate": burn},
        "budget": {"remaining": left},
        "data": {
            "state": "OK" if met != "Unknown" else "Unknown",
            "reason": "LowCoverage" if met == "Unknown" else "",
        },
        **more,
    }
    return body


def fleet(**change: Any) -> dict[str, Any]:
    """Two teams: a shift under way, an alert that would have shifted, a pin, a pool in trouble."""
    shifted = "ttft: 40 of 80 attempts on chat-large bad in 60 s, 50.0% exceeds 25.0%"
    bodies: dict[str, Any] = {
        "routers": [{**router(), "status": {"acknowledged": "2/2", "conditions": [READY]}}],
        "routes": [
            a_route("assistant", "search", [rule("fast", ("chat-small",)), rule("slow", ("chat-large",), ("chat-small",))],
                    [told("fast", "AsWritten", chat_small=1000), told("slow", "Shifted", shifted, chat_large=250, chat_small=750)]),
            a_route("suggestions", "search", [rule("all", ("chat-small",), ("chat-large",))], [told("all", "AsWritten", chat_small=1000)]),
            a_route("embeddings", "search", [rule("all", ("embed",))], [told("all", "AsWritten", embed=1000)]),
            a_route("analysis", "research", [rule("all", ("deep-a", "deep-b"), ("deep-cpu",))],
                    [told("all", "AsWritten", deep_a=700, deep_b=300)]),
            a_route("drafts", "research", [rule("all", ("deep-b",), ("deep-cpu",))], [told("all", "Pinned", deep_cpu=1000)],
                    trafficControl={"type": "Pinned", "pinned": {"until": "2026-03-01T14:00:00Z", "rules": []}}),
        ],
        "pools": [
            a_pool("chat-large", "search", 2, 2), a_pool("chat-small", "search", 3, 3), a_pool("embed", "search", 1, 1),
            a_pool("deep-a", "research", 4, 4), a_pool("deep-b", "research", 1, 2, "1 of 2 replicas serve: out of memory"),
            a_pool("deep-cpu", "research", 2, 2),
        ],
        "objectives": [
            an_objective("assistant-ttft", "search", "assistant/slow", "False", "10.00", "-0.31", quantiles={"p50": "610ms", "p99": "4.2s"}),
            an_objective("suggestions-ttft", "search", "suggestions/all", "True", "0.31", "0.82", quantiles={"p50": "85ms", "p99": "310ms"}),
            an_objective("analysis-ttft", "research", "analysis/all", "False", "2.40", "0.12", action="Alert", quantiles={"p50": "480ms", "p99": "2.9s"},
                         shadow={"shares": [{"name": "deep-cpu", "share": 500}], "message": "first step: 31 of 120 attempts bad: shifting to deep-cpu (deep-a: 100 % -> 50 %); after it between 4.1% and 9.8% would have been bad"}),
            an_objective("analysis-cache", "research", "analysis", "True", "0.60", "", action="Alert", objective={"type": "CacheHitRate", "cacheHitRate": {"min": "0.70"}}),
            an_objective("drafts-errors", "research", "drafts", "Unknown", "", "", action="Alert", objective={"type": "ErrorRate", "errorRate": {"max": "0.01"}}),
        ],
    }  # fmt: skip
    return fleet_document(fleet_view(**{**bodies, **change}), NOW)


def large(routes: int = 500) -> dict[str, Any]:
    """Many routes, each with two rules, three pools and an objective."""
    bodies: dict[str, list[Any]] = {"routers": [], "routes": [], "pools": [], "objectives": []}
    for n in range(routes):
        team, pools = f"team-{n // 25}", (f"large-{n}", f"medium-{n}", f"small-{n // 5}")
        rules = [rule("fast", (pools[2],)), rule("slow", pools[:2], (pools[2],))]
        status = [told("fast", "AsWritten"), told("slow", "Shifted" if n % 7 == 0 else "AsWritten")]
        status[0]["shares"] = [{"name": pools[2], "share": 1000}]
        status[1]["shares"] = [
            {"name": one, "share": n} for one, n in zip(pools, (500, 300, 200), strict=True)
        ]
        bodies["routes"].append(a_route(f"route-{n:03}", team, rules, status))
        bodies["pools"] += [a_pool(one, team, 2, 2) for one in pools[: 2 + (n % 5 == 0)]]
        met = ("False", "True", "True", "Unknown")[n % 4]
        bodies["objectives"].append(
            an_objective(f"slo-{n:03}", team, f"route-{n:03}/slow", met, "0.5", "0.5")
        )
    return fleet_document(fleet_view(**bodies), NOW)


def past(last: timedelta) -> dict[str, Any]:
    """A shift and the way back, as Prometheus remembers it."""
    start, step = NOW - last, last / 240
    times = [(start + n * step).timestamp() for n in range(241)]
    shift = (start + last * 0.66).timestamp()

    def primary(at: float) -> float:
        return 1.0 if at < shift else 0.5 if at < shift + last.total_seconds() * 0.08 else 0.25

    def line(name: str, value: Any, rule: str = "slow") -> Line:
        return Line(name=name, rule=rule, points=tuple((at, round(value(at), 4)) for at in times))

    def slow(at: float) -> float:
        return 1.0 if at > shift - last.total_seconds() * 0.06 else 0.0

    waves = Line(name="p50", rule="slow", points=())
    decision = DecisionView(
        at=datetime.fromtimestamp(shift, tz=UTC),
        namespace="search",
        route="assistant",
        transition="T1",
        reason="TrafficShifted",
        alarming=True,
        note="rule slow: assistant-ttft: 37 of 120 attempts on chat-large bad in 60 s, 30.8% exceeds 25.0%: shifting to chat-small (chat-large: 100 % -> 50 %) (T1, decision 4be1c09a27)",
        told=True,
    )
    second = replace(
        decision,
        at=decision.at + last * 0.08,
        note="rule slow: assistant-ttft: still 40 of 80 attempts bad: shifting more (chat-large: 50 % -> 25 %) (T2, decision 77aa01d2c1)",
    )
    returned = replace(
        decision, at=start + last * 0.1, reason="TrafficReturned", alarming=False, told=False,
        note="only the metric tells of it: its Event has expired",
    )  # fmt: skip
    lines = Timeline(
        shares=(
            line("chat-small", lambda _: 1.0, "fast"),
            line("chat-large", primary),
            line("chat-small", lambda at: 1 - primary(at)),
        ),
        first_tokens=(
            replace(
                waves,
                points=line("", lambda at: 0.28 + 0.03 * sin(at / 400) + 0.4 * slow(at)).points,
            ),
            line("p99", lambda at: 0.9 + 0.2 * sin(at / 300) + 2.6 * slow(at)),
        ),
        burn_rates=(line("assistant-ttft", lambda at: 0.4 + 0.1 * sin(at / 500) + 9.0 * slow(at)),),
    )
    return timeline_document(lines, (returned, decision, second), start=start, end=NOW, note="")
