"""Status of a route: conditions that name the object and the remedy."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.fleet.builders import T0, conditions, message, route, seen, slo
from tokenfleet.api.conditions import ACCEPTED, FALLBACK_AVAILABLE, PROGRAMMED, READY, RESOLVED_REFS
from tokenfleet.domain.fleet.conditions import condition
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.route_status import RouteSnapshot, plan_route
from tokenfleet.domain.fleet.router_visit import plan_router
from tokenfleet.domain.fleet.views import RouteView
from tokenfleet.domain.routing.rules import POOL_NOT_IN_RULE
from tokenfleet.domain.slo.objectives.latency_stages import Stage

DONE = condition(PROGRAMMED, status=True, reason="Programmed", message="2 of 2")


def look(*views: RouteView | None, body=None, missing=()):
    return RouteSnapshot(
        body=body or route(),
        views={f"r{number}": view for number, view in enumerate(views)},
        missing=missing,
        now=T0,
    )


def view(*problems: Problem, programmed=DONE, shares=None) -> RouteView:
    return RouteView(
        problems=problems,
        programmed=programmed,
        shares={"slow": {"large": 400, "small": 600}} if shares is None else shares,
    )


def test_a_route_that_works_says_where_its_traffic_goes() -> None:
    status = plan_route(look(view())).status

    assert set(conditions(status).values()) == {
        ("True", reason) for reason in ("Accepted", "ResolvedRefs", "Programmed", "Ready")
    }
    assert status is not None
    assert status["traffic"] == "slow large 40% small 60%"


def test_a_problem_decides_its_condition_and_the_summary() -> None:
    lost = Problem(condition=ACCEPTED, reason="ModelNameConflict", message="chat belongs to other")

    status = plan_route(look(view(lost))).status

    assert conditions(status)[ACCEPTED] == ("False", "ModelNameConflict")
    assert conditions(status)[READY] == ("False", "ModelNameConflict")
    assert message(status, READY) == "chat belongs to other"


def test_a_fallback_that_sleeps_is_told_and_the_route_is_ready() -> None:
    """An autoscaler may wake it: nothing is wrong with the route."""
    asleep = Problem(
        condition=FALLBACK_AVAILABLE, reason="ScaledToZero", message="small has 0 replicas"
    )

    status = plan_route(look(view(asleep))).status
    awake = plan_route(look(view(), body=route(status=status))).status

    assert conditions(status)[FALLBACK_AVAILABLE] == ("False", "ScaledToZero")
    assert message(status, FALLBACK_AVAILABLE) == "small has 0 replicas"
    assert conditions(status)[READY] == ("True", "Ready")
    assert FALLBACK_AVAILABLE not in conditions(awake)


def pinned(until: str, pool: str = "small") -> dict:
    """Return a route that is pinned."""
    rules = [{"name": "slow", "pools": [{"name": pool}]}]
    return route(trafficControl={"type": "Pinned", "pinned": {"rules": rules, "until": until}})


@pytest.mark.parametrize(
    ("body", "problems", "expected"),
    [
        pytest.param(route(), (), "Auto", id="nothing asked for"),
        pytest.param(route(trafficControl={"type": "Disabled"}), (), "Disabled", id="off"),
        pytest.param(pinned("2026-01-01T13:00:00Z"), (), "Pinned", id="in force"),
        pytest.param(pinned("2026-01-01T11:00:00Z"), (), "PinEnded", id="over"),
        pytest.param(
            pinned("2026-01-01T13:00:00Z", "smal"),
            (Problem(condition=RESOLVED_REFS, reason=POOL_NOT_IN_RULE, message="names smal"),),
            "PinRefused",
            id="a pool that the rule has not",
        ),
    ],
)
def test_who_decides_the_shares_is_what_holds_and_not_what_was_asked_for(
    body: dict, problems: tuple[Problem, ...], expected: str
) -> None:
    plan = plan_route(look(view(*problems), body=body))

    assert plan.status is not None
    assert plan.status["control"] == expected


def test_the_end_of_a_pin_is_told_when_it_comes() -> None:
    assert plan_route(look(view(), body=pinned("2026-01-01T13:00:00Z"))).requeue_after == timedelta(
        hours=1
    )
    assert plan_route(look(view(), body=pinned("2026-01-01T11:00:00Z"))).requeue_after is None


def test_a_missing_router_names_the_remedy() -> None:
    status = plan_route(look(missing=("default",))).status

    assert conditions(status)[RESOLVED_REFS] == ("False", "RouterNotFound")
    assert "create it or correct spec.parentRefs" in message(status, RESOLVED_REFS)
    assert conditions(status)[READY][0] == "False"


def test_before_the_first_look_of_its_router_nothing_is_claimed() -> None:
    assert plan_route(look(None)).status is None


def test_two_routers_must_both_have_programmed_it() -> None:
    late = condition(PROGRAMMED, status=False, reason="NotAcknowledged", message="pod x lags")

    status = plan_route(look(view(), view(programmed=late))).status

    assert conditions(status)[PROGRAMMED] == ("False", "NotAcknowledged")


def test_routers_that_differ_are_both_heard() -> None:
    """Each router has a loop of its own; the first one fills the shares, the rest the message."""
    other = view(shares={"slow": {"large": 1000, "small": 0}})

    same = plan_route(look(view(), view())).status
    differing = plan_route(look(view(), other)).status

    assert same is not None
    assert differing is not None
    assert "these are the shares" not in same["rules"][0]["message"]
    assert differing["rules"][0]["shares"] == same["rules"][0]["shares"]
    assert differing["rules"][0]["message"].startswith(
        "these are the shares of router r0; router r1 sends large 100%"
    )


def test_an_unreadable_configuration_leaves_the_shares_as_they_were_told() -> None:
    """They are the second-best record there is, and must not be wiped out."""
    rules = [{"name": "slow", "shares": [{"name": "large", "share": 400}], "reason": "Shifted"}]
    held = condition(PROGRAMMED, status=False, reason="ConfigUnreadable", message="damaged")

    status = plan_route(
        look(RouteView(programmed=held), body=route(status={"rules": rules}))
    ).status

    assert status is not None
    assert status["rules"] == rules


def test_a_nobody_serves_problem_leaves_the_other_conditions_true() -> None:
    nobody = Problem(condition=READY, reason="NoReadyPool", message="rule slow has no pool")

    found = conditions(plan_route(look(view(nobody))).status)

    assert found[RESOLVED_REFS][0] == "True"
    assert found[READY] == ("False", "NoReadyPool")


def test_the_router_and_the_route_tell_the_same_story() -> None:
    plan = plan_router(seen(slos=(slo(),)))

    status = plan_route(look(plan.view.routes["ns/chat"])).status

    assert status is not None
    assert status["rules"][0]["shares"] == [
        {"name": "large", "share": 1000},
        {"name": "small", "share": 0},
    ]
    assert status["rules"][0]["reason"] == "AsWritten"


def test_each_router_has_its_own_conditions() -> None:
    late = condition(PROGRAMMED, status=False, reason="NotAcknowledged", message="pod x lags")
    lost = Problem(condition=ACCEPTED, reason="ModelNameConflict", message="chat belongs to other")
    parents = [{"name": "r0"}, {"name": "r1"}, {"name": "gone"}]
    body = route(parentRefs=parents)

    status = plan_route(
        look(view(), view(lost, programmed=late), body=body, missing=("gone",))
    ).status

    assert status is not None
    told = {one["parentRef"]["name"]: conditions(one) for one in status["parents"]}
    assert list(told) == ["r0", "r1", "gone"]
    assert set(told["r0"].values()) == {
        ("True", reason) for reason in ("Accepted", "ResolvedRefs", "Programmed")
    }
    assert told["r1"][ACCEPTED] == ("False", "ModelNameConflict")
    assert told["r1"][PROGRAMMED] == ("False", "NotAcknowledged")
    assert told["gone"][RESOLVED_REFS] == ("False", "RouterNotFound")
    assert told["gone"][PROGRAMMED] == ("False", "NoRouter")


def test_a_second_look_leaves_the_times_of_parents_alone() -> None:
    body = route(parentRefs=[{"name": "r0"}])
    first = plan_route(look(view(), body=body)).status
    later = replace(look(view(), body={**body, "status": first}), now=T0 + timedelta(hours=1))

    assert plan_route(later).status == first


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param({}, {"slow": 0.8}, "0.80", id="the first measure is told"),
        pytest.param(
            {"slow": 0.8}, {"slow": 0.84}, "0.80", id="a little more is not worth a write"
        ),
        pytest.param({"slow": 0.8}, {"slow": 0.851}, "0.85", id="more is"),
        pytest.param({"slow": 0.8}, {}, None, id="that nothing is known any more is"),
    ],
)
def test_a_measured_share_is_written_when_it_moves(before, after, told) -> None:
    first = plan_route(replace(look(view()), measured=before)).status
    second = plan_route(replace(look(view(), body=route(status=first)), measured=after)).status

    assert second is not None
    assert second["rules"][0].get("measuredShare") == told


def test_a_measured_share_is_written_with_other_changes() -> None:
    first = plan_route(replace(look(view()), measured={"slow": 0.8})).status
    shifted = view(shares={"slow": {"large": 100, "small": 900}})
    second = plan_route(replace(look(shifted, body=route(status=first)), measured={"slow": 0.84}))

    assert second.status is not None
    assert second.status["rules"][0]["measuredShare"] == "0.84"


def stage(p50: float | None, p99: float | None) -> Stage:
    return Stage(name="retrieval", budget=timedelta(milliseconds=80), p50=p50, p99=p99)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        pytest.param(stage(0.044, 0.095), ("40ms", "90ms"), id="a little more waits"),
        pytest.param(stage(0.060, 0.095), ("60ms", "95ms"), id="more is told"),
        pytest.param(stage(None, None), ("", ""), id="that nothing is known is told"),
    ],
)
def test_where_a_latency_budget_goes_is_written_when_it_has_drifted(after, told) -> None:
    first = plan_route(replace(look(view()), stages=(stage(0.04, 0.09),))).status
    second = plan_route(replace(look(view(), body=route(status=first)), stages=(after,))).status

    assert second is not None
    (found,) = second["latencyBudget"]
    assert (found["stage"], found["budget"]) == ("retrieval", "80ms")
    assert (found["p50"], found["p99"]) == told
