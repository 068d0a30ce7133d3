"""Status of an objective: what is seen, and how often it is written."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.fleet.builders import T0, conditions, message, route, seen, slo
from tokenfleet.api.v1alpha1.tokenslo import TokenSLOStatus
from tokenfleet.domain.fleet.router_visit import plan_router
from tokenfleet.domain.fleet.slo_status import (
    HEARTBEAT,
    LIVELY,
    SloSnapshot,
    heartbeat,
    plan_slo,
    seconds,
)
from tokenfleet.domain.slo.engine import SLOView
from tokenfleet.domain.slo.objectives.error_budget import Budget, Burner
from tokenfleet.domain.slo.observation.data_state import DataState, Kind
from tokenfleet.domain.slo.observation.measurement import Failure, Measurement
from tokenfleet.domain.slo.reporting.shift_costs import Room, ShiftCost
from tokenfleet.domain.slo.reporting.views import SpendView
from tokenfleet.domain.spending.burners import UserBurner

SEEN = SLOView(
    state="Normal",
    data=DataState(Kind.OK),
    total=100,
    bad=2,
    burn_rate=0.4,
    p50=0.085,
    p99=1.2345,
    met=True,
    shadow=None,
    last=None,
)


def look(view=SEEN, *, body=None, target=None, routed=True, written_at=None, now=T0) -> SloSnapshot:
    return SloSnapshot(
        body=body or slo(),
        route=route() if target is None else target,
        view=view,
        routed=routed,
        written_at=written_at,
        now=now,
    )


def test_an_objective_that_is_met() -> None:
    status = plan_slo(look()).status

    assert status is not None
    assert conditions(status)["Met"] == ("True", "Met")
    assert conditions(status)["Ready"] == ("True", "Ready")
    assert status["current"] == {"total": 100, "bad": 2, "burnRate": "0.40"}
    assert status["quantiles"] == {"p50": "85ms", "p99": "1.23s"}


def test_a_breach_is_not_a_failure_of_the_objective() -> None:
    """Argo CD must not call an application degraded because its users wait too long."""
    found = conditions(plan_slo(look(replace(SEEN, met=False))).status)

    assert found["Met"] == ("False", "Missed")
    assert found["Ready"][0] == "True"


def test_what_cannot_be_seen_is_said() -> None:
    blind = replace(SEEN, met=None, data=DataState(Kind.UNKNOWN, "LowCoverage", "3 scrapes of 12"))

    status = plan_slo(look(blind)).status

    assert conditions(status)["DataAvailable"] == ("False", "LowCoverage")
    assert conditions(status)["Met"] == ("Unknown", "Unknown")
    assert message(status, "DataAvailable") == "3 scrapes of 12"


def test_who_may_move_traffic_and_who_may_not_is_said() -> None:
    why = Failure("TokenPricesMissing", "set spec.price.perMillionTokens of small")
    alert = plan_slo(look(body=slo(onBreach={"type": "Alert"}))).status
    votes = plan_slo(look()).status
    refused = plan_slo(look(replace(SEEN, refused=why))).status

    assert conditions(alert)["Voting"] == ("False", "AlertOnly")
    assert conditions(votes)["Voting"] == ("True", "Voting")
    assert conditions(refused)["Voting"] == ("False", "TokenPricesMissing")
    assert message(refused, "Voting") == why.message


def test_what_is_left_of_the_budget_and_who_burned_it() -> None:
    left = Budget(
        remaining=-0.25,
        total=1000,
        bad=62,
        covered=0.5,
        burners=(Burner("all", "agents", 60, 60 / 62), Burner("all", "other", 2, 2 / 62)),
    )
    status = plan_slo(replace(look(), budget=left)).status

    assert status is not None
    assert status["budget"] == {
        "remaining": "-0.250",
        "total": 1000,
        "bad": 62,
        "covered": "0.50",
    }
    assert [(who["feature"], who["part"]) for who in status["topBurners"]] == [
        ("agents", "0.97"),
        ("other", "0.03"),
    ]


def test_a_budget_alone_is_no_reason_to_write_at_once() -> None:
    old = plan_slo(look()).status
    left = Budget(remaining=0.5, total=10, bad=1, covered=1.0, burners=())
    body = slo() | {"status": old}
    plan = plan_slo(replace(look(body=body, written_at=T0), budget=left))

    assert plan.status is None


def test_the_value_of_a_level_is_shown() -> None:
    status = plan_slo(look(replace(SEEN, value="0.00264"))).status

    assert status is not None
    assert status["current"]["value"] == "0.00264"


def test_a_missing_route_and_a_missing_rule_name_the_remedy() -> None:
    gone = plan_slo(replace(look(None), route=None)).status
    other = plan_slo(look(body=slo(targetRef={"name": "chat", "sectionName": "fast"}))).status

    assert conditions(gone)["ResolvedRefs"] == ("False", "RouteNotFound")
    assert conditions(other)["ResolvedRefs"] == ("False", "RuleNotFound")
    assert "only slow" in message(other, "ResolvedRefs")


def test_a_shift_that_nothing_can_take_is_said() -> None:
    """A rule without fallbackRefs: the objective asks, and nothing will ever move."""
    alone = route(rules=[{"name": "slow", "backendRefs": [{"name": "large"}]}])

    status = plan_slo(look(target=alone)).status

    assert conditions(status)["Voting"] == ("False", "NoFallback")
    assert "rule slow of ModelRoute chat has no fallbackRefs" in message(status, "Voting")


def test_a_selector_that_the_route_does_not_list_is_said() -> None:
    """Its requests have no label of their own: nothing would ever be measured."""
    listed = route(features=["chat"], requestTypes=["edit"])
    wrong = slo(selector={"features": ["chat", "chta"]}, onBreach={"type": "Alert"})
    right = slo(
        selector={"features": ["chat", "other"], "requestTypes": ["edit"]},
        onBreach={"type": "Alert"},
    )

    status = plan_slo(look(body=wrong, target=listed)).status

    assert conditions(status)["ResolvedRefs"] == ("False", "NotListed")
    assert "selector.features names chta" in message(status, "ResolvedRefs")
    assert conditions(status)["Ready"] == ("False", "NotListed")
    assert conditions(plan_slo(look(body=right, target=listed)).status)["Ready"][0] == "True"


def test_numbers_alone_wait_for_the_heartbeat() -> None:
    first = plan_slo(look()).status
    body = {**slo(), "status": first}
    busier = replace(SEEN, total=120)
    soon = T0 + timedelta(seconds=5)
    pause = heartbeat(body)

    early = plan_slo(look(busier, body=body, written_at=T0, now=soon))
    later = plan_slo(look(busier, body=body, written_at=T0, now=T0 + pause))

    assert early.status is None
    assert early.requeue_after == pause - timedelta(seconds=5)
    assert later.status is not None
    assert later.status["current"]["total"] == 120


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(replace(SEEN, state="Shifted", total=120), id="shifted"),
        pytest.param(replace(SEEN, met=False, total=120), id="missed"),
        pytest.param(replace(SEEN, burn_rate=1.5), id="burning a whole budget more"),
    ],
)
def test_numbers_that_people_look_at_do_not_wait_so_long(view: SLOView) -> None:
    written = plan_slo(look(replace(view, total=100, burn_rate=0.4))).status
    body = {**slo(), "status": written}

    early = plan_slo(look(view, body=body, written_at=T0, now=T0 + LIVELY / 2))
    later = plan_slo(look(view, body=body, written_at=T0, now=T0 + LIVELY))

    assert early.status is None
    assert later.status is not None


def test_heartbeats_of_many_objects_are_spread() -> None:
    pauses = [heartbeat(slo(name=f"slo-{i}")) for i in range(1000)]

    assert min(pauses) >= HEARTBEAT
    assert max(pauses) < 2 * HEARTBEAT
    assert len({int(pause.total_seconds() // 180) for pause in pauses}) == 10


def test_a_change_of_state_does_not_wait() -> None:
    body = {**slo(), "status": plan_slo(look()).status}
    missed = replace(SEEN, met=False, state="Shifted")

    plan = plan_slo(look(missed, body=body, written_at=T0, now=T0 + timedelta(seconds=1)))

    assert plan.status is not None
    assert plan.status["state"] == "Shifted"


def test_an_unchanged_view_gives_an_unchanged_status() -> None:
    body = {**slo(), "status": plan_slo(look()).status}

    plan = plan_slo(look(body=body, written_at=T0, now=T0 + timedelta(hours=1)))

    assert plan.status == body["status"]


def test_a_restarted_operator_does_not_take_back_what_was_said() -> None:
    body = {**slo(), "status": plan_slo(look()).status}

    assert plan_slo(look(None, body=body)).status is None
    assert plan_slo(look(None)).status is not None
    assert plan_slo(look(None, body=body, routed=False)).status is not None


def test_the_engine_and_the_status_agree_on_an_objective_without_data() -> None:
    failure = Failure("SourceError", "connection refused")
    tried = Measurement(at=T0, failure=failure)
    view = plan_router(seen(slos=(slo(),), measurement=tried)).view.slos["ns/ttft"]

    status = plan_slo(look(view)).status

    assert conditions(status)["DataAvailable"] == ("False", "SourceError")
    assert message(status, "DataAvailable") == "connection refused"


def test_before_the_first_measurement_no_objective_is_judged() -> None:
    assert plan_router(seen(slos=(slo(),))).view.slos == {}


def test_times_are_written_for_people() -> None:
    assert [seconds(value) for value in (None, 0.0004, 0.25, 1.5, 12.0)] == [
        "",
        "0ms",
        "250ms",
        "1.5s",
        "12s",
    ]


@pytest.mark.parametrize(
    ("room", "status"),
    [
        ("WithinLimit", "True"),
        ("LimitReached", "False"),
        ("TokenPricesMissing", "False"),
        ("NotMeasured", "Unknown"),
    ],
)
def test_what_shifts_cost_is_told_and_whether_more_may_be_shifted(room: Room, status: str) -> None:
    cost = ShiftCost(per_hour=12.3456789, limit=40, room=room, message="set it")
    told = plan_slo(look(replace(SEEN, shift_cost=cost))).status

    assert told is not None
    assert told["shiftCost"] == {"perHour": "12.3457", "max": "40"}
    assert conditions(told)["Affordable"] == (status, room)
    assert message(told, "Affordable") == "set it"
    assert conditions(told)["Ready"][0] == "True"
    assert TokenSLOStatus.model_validate(told).shift_cost is not None


def test_without_a_limit_nothing_is_said_of_what_shifts_cost() -> None:
    status = plan_slo(look()).status

    assert status is not None
    assert "shiftCost" not in status
    assert "Affordable" not in conditions(status)


def test_a_cost_that_wavers_is_a_number_and_waits_like_all_of_them() -> None:
    cost = ShiftCost(per_hour=12, limit=40, room="WithinLimit", message="")
    body = slo()
    body["status"] = plan_slo(look(replace(SEEN, shift_cost=cost))).status
    later = replace(SEEN, shift_cost=cost._replace(per_hour=13))

    assert plan_slo(look(later, body=body, written_at=T0)).status is None


def test_users_and_money_of_a_spend_objective_are_told() -> None:
    money = SpendView(spent=12.5, forecast=40.0, ends=T0 + timedelta(hours=12))
    users = (UserBurner("ada", 0.625), UserBurner("bob", 0.25))
    status = plan_slo(replace(look(replace(SEEN, spend=money)), users=users)).status

    assert status is not None
    assert status["spend"] == {"spent": "12.5", "forecast": "40", "ends": "2026-01-02T00:00:00Z"}
    assert status["topBurners"] == [
        {"user": "ada", "part": "0.62"},
        {"user": "bob", "part": "0.25"},
    ]


def test_money_that_grows_is_a_number_and_waits_like_all_of_them() -> None:
    money = SpendView(spent=1.0, forecast=2.0, ends=T0 + timedelta(hours=12))
    body = slo()
    body["status"] = plan_slo(look(replace(SEEN, spend=money))).status
    later = replace(SEEN, spend=replace(money, spent=1.1))

    plan = plan_slo(look(later, body=body, written_at=T0, now=T0 + timedelta(minutes=1)))

    assert plan.status is None
    assert plan.requeue_after is not None


@pytest.mark.parametrize(
    ("data", "total", "value", "written"),
    [
        (DataState(Kind.UNKNOWN, "Absent"), 0, "", None),
        (DataState(Kind.UNKNOWN, "Stale"), 100, "", None),
        (DataState(Kind.NO_TRAFFIC), 0, "", None),
        (DataState(Kind.INSUFFICIENT), 3, "", "0.00"),
        (DataState(Kind.OK), 0, "0.0", "0.00"),
    ],
)
def test_a_burn_rate_of_nothing_is_not_zero(
    data: DataState, total: int, value: str, written: str | None
) -> None:
    seen = replace(SEEN, data=data, total=total, bad=0, burn_rate=0.0, value=value, met=None)

    status = plan_slo(look(seen)).status

    assert status is not None
    assert status["current"].get("burnRate") == written


@pytest.mark.parametrize(
    ("limit", "accepted"),
    [("400ms", ("False", "ThresholdAboveTimeout")), ("500ms", ("True", "Accepted"))],
)
def test_a_threshold_that_no_attempt_can_be_beyond_is_said(
    limit: str, accepted: tuple[str, str]
) -> None:
    target = route()
    target["spec"]["failover"] = {"firstTokenTimeout": limit}

    status = plan_slo(look(target=target)).status

    assert status is not None
    assert conditions(status)["Accepted"] == accepted
