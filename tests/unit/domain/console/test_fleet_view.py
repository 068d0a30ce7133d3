"""The fleet at a glance, from whatever the API server holds."""

from typing import Any

import pytest

from tests.unit.domain.fleet.builders import pool, route, router, slo
from tokenfleet.domain.console.fleet_view import FleetView, fleet_view, promise, troubles

READY = {"type": "Ready", "status": "True", "reason": "Ready", "message": ""}
RULE = {"name": "slow", "reason": "Shifted", "message": "why", "since": "2026-01-01T12:00:00Z"}


def met(status: str) -> dict[str, str]:
    return {"type": "Met", "status": status, "reason": "x", "message": ""}


def fleet(*, shares: tuple[tuple[str, int], ...] = (), slos: tuple[Any, ...] = ()) -> FleetView:
    listed = [{"name": name, "share": share} for name, share in shares]
    status = {"rules": [{**RULE, "shares": listed}], "conditions": [READY]}
    return fleet_view(
        routers=[{**router(), "status": {"conditions": [READY], "acknowledged": "2/2"}}],
        routes=[route(status=status)],
        pools=[{**pool(name), "status": {"conditions": [READY]}} for name in ("large", "small")],
        objectives=slos,
    )


def objective(name: str, status: str, **spec: Any) -> dict[str, Any]:
    return {**slo(name, **spec), "status": {"conditions": [READY, met(status)]}}


def test_a_rule_shows_its_pools_in_order_and_those_it_no_longer_names() -> None:
    view = fleet(shares=(("small", 600), ("large", 300), ("former", 100)))
    flows = [(flow.pool, flow.role, flow.share) for flow in view.routes[0].rules[0].flows]

    assert flows == [
        ("large", "primary", 300),
        ("small", "fallback", 600),
        ("former", "other", 100),
    ]


def test_a_rule_shows_the_adapter_that_it_asks_for() -> None:
    body = route()
    body["spec"]["rules"][0]["backendRefs"][0]["adapter"] = "legal"
    view = fleet_view(routers=[], routes=[body], pools=[], objectives=())
    flows = [(flow.pool, flow.adapter) for flow in view.routes[0].rules[0].flows]

    assert flows == [("large", "legal"), ("small", "")]


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ((), "none"),
        (("True",), "met"),
        (("True", "Unknown"), "unknown"),
        (("Unknown", "False", "True"), "missed"),
    ],
)
def test_the_worst_objective_speaks_for_a_rule(statuses: tuple[str, ...], verdict: str) -> None:
    slos = tuple(objective(f"slo-{n}", status) for n, status in enumerate(statuses))

    assert fleet(slos=slos).routes[0].rules[0].verdict == verdict


def test_an_objective_on_the_whole_route_speaks_for_each_rule() -> None:
    slos = (objective("whole", "False", targetRef={"name": "chat"}),)

    assert fleet(slos=slos).routes[0].rules[0].verdict == "missed"
    elsewhere = (objective("other", "False", targetRef={"name": "chat", "sectionName": "fast"}),)
    assert fleet(slos=elsewhere).routes[0].rules[0].verdict == "none"


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ({"type": "Latency", "latency": {"threshold": "2s", "target": "0.95"}}, "95 % of first tokens within 2s"),
        ({"type": "Latency", "latency": {"signal": "EndToEnd", "threshold": "2s", "target": "0.999"}}, "99.9 % of answers within 2s"),
        ({"type": "Latency", "latency": {"signal": "TimePerOutputToken", "threshold": "50ms", "target": "0.9"}}, "90 % of streams with a token every 50ms"),
        ({"type": "ErrorRate", "errorRate": {"max": "0.01"}}, "at most 1 % errors"),
        ({"type": "CostPerRequest", "costPerRequest": {"max": "0.01"}}, "at most 0.01 a request"),
        ({"type": "CacheHitRate", "cacheHitRate": {"min": "0.70"}}, "at least 70 % of prompts cached"),
        ({"type": "Spend", "spend": {"max": "200"}}, "at most 200 a day"),
        ({"type": "Spend", "spend": {"max": "9", "per": "Hour"}}, "at most 9 an hour"),
        ({"type": "FastPathShare", "fastPathShare": {"min": "0.80"}}, "at least 80 % of requests by this rule"),
        ({"type": "FromTheFuture", "fromTheFuture": {}}, "FromTheFuture"),
    ],
)  # fmt: skip
def test_a_promise_is_said_in_words(objective: dict[str, Any], words: str) -> None:
    assert promise(objective) == words


def test_what_an_alert_would_have_done_is_shown() -> None:
    shadow = {"shares": [{"name": "small", "share": 1000}], "message": "first step: all to small"}
    alert = objective("alert", "False", onBreach={"type": "Alert"})
    alert["status"]["shadow"] = shadow
    view = fleet(slos=(alert,))
    would = view.objectives[0].would_have

    assert would is not None
    assert [(flow.pool, flow.share) for flow in would.flows] == [("small", 1000)]
    (said,) = troubles(view)
    assert said.startswith("TokenSLO ns/alert misses 95 % of first tokens within 500ms: burn rate")
    assert said.endswith("; would have: first step: all to small")


def test_a_fleet_that_is_well_has_nothing_to_look_at() -> None:
    assert troubles(fleet(shares=(("large", 1000),), slos=(objective("ttft", "True"),))) == ()


def test_pins_and_stops_are_worth_a_look() -> None:
    pinned = route()
    pinned["spec"]["trafficControl"] = {
        "type": "Pinned",
        "pinned": {"until": "2026-01-01T13:00:00Z"},
    }
    stopped = route()
    stopped["spec"]["trafficControl"] = {"type": "Disabled"}
    stopped["metadata"]["name"] = "other"
    view = fleet_view(routers=(), routes=(stopped, pinned), pools=(), objectives=())

    assert [route.name for route in view.routes] == ["chat", "other"]
    assert troubles(view)[-2:] == (
        "ModelRoute ns/chat is pinned until 2026-01-01T13:00:00Z",
        "ModelRoute ns/other is not controlled: spec.trafficControl.type is Disabled",
    )


def test_a_route_without_a_fallback_that_runs_is_worth_a_look() -> None:
    asleep = {
        "type": "FallbackAvailable",
        "status": "False",
        "reason": "ScaledToZero",
        "message": "its fallback small has 0 replicas",
    }
    body = route(status={"conditions": [READY, asleep]})
    view = fleet_view(routers=(), routes=(body,), pools=(), objectives=())

    assert troubles(view) == ("ModelRoute ns/chat: its fallback small has 0 replicas",)


def test_an_object_that_says_almost_nothing_is_shown_all_the_same() -> None:
    bare = {"metadata": {"name": "x", "namespace": "ns"}}
    view = fleet_view(routers=(bare,), routes=(bare,), pools=(bare,), objectives=(bare,))

    assert [one.trouble for one in (*view.routers, *view.routes, *view.pools)] == [
        "no operator has looked at it yet"
    ] * 3
