"""Objectives that ask for more often than the operator looks, or Prometheus scrapes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.fleet.builders import conditions, message, slo
from tests.unit.domain.fleet.test_slo_status import look
from tokenfleet.domain.fleet.slo_pace import Pace
from tokenfleet.domain.fleet.slo_status import plan_slo

PACE = Pace(tick=timedelta(seconds=15), scrape=timedelta(seconds=15))


def at_pace(pace: Pace, **spec) -> dict:
    body = slo(onBreach={"type": "Alert"}, **spec)
    status = plan_slo(replace(look(body=body), pace=pace)).status
    assert status is not None
    return status


def test_samples_that_are_always_too_old_are_said() -> None:
    status = at_pace(PACE, data={"maxStaleness": "10s"})

    assert conditions(status)["Accepted"] == ("False", "StaleBetweenScrapes")
    assert "data.maxStaleness is 10s, and routers are scraped every 15s" in message(
        status, "Accepted"
    )
    assert "raise it to at least 30s, two scrapes" in message(status, "Accepted")
    assert conditions(at_pace(PACE, data={"maxStaleness": "15s"}))["Accepted"][0] == "True"
    assert conditions(at_pace(PACE))["Accepted"][0] == "True"


OTHERS = "attempts between two looks count in longer windows only; set it to at least 1m"


@pytest.mark.parametrize(
    ("control", "pace", "said"),
    [
        ({}, PACE, ""),
        ({"shortWindow": "5s", "longWindow": "10s"}, PACE, ""),  # four scrapes are longer
        (
            {"shortWindow": "20s", "longWindow": "3m"},
            Pace(tick=timedelta(minutes=1), scrape=timedelta(seconds=5)),
            f"the operator looks every 1m, and spec.control.shortWindow is shorter: {OTHERS}",
        ),
        (
            {"shortWindow": "20s", "longWindow": "30s"},
            Pace(tick=timedelta(minutes=1), scrape=timedelta(seconds=5)),
            (
                f"the operator looks every 1m, and spec.control.shortWindow and longWindow are shorter:"
                f" {OTHERS}"
            ),
        ),
    ],
)
def test_a_window_that_is_shorter_than_a_tick_is_said(control: dict, pace: Pace, said: str) -> None:
    status = at_pace(pace, control=control)

    assert message(status, "DataAvailable") == said
    assert conditions(status)["Ready"][0] == "True"


def test_a_window_of_costs_that_is_shorter_than_scrapes_is_said() -> None:
    spend = {"type": "Spend", "spend": {"max": "5", "per": "Hour"}}
    status = at_pace(PACE, objective=spend, control={"shortWindow": "5s"})

    assert message(status, "DataAvailable") == (
        "the shortest window is 20s, 4 x spec.control.shortWindow: too short for a look every 15s"
        " and a scrape every 15s; set it to at least 15s"
    )
    assert message(at_pace(PACE, objective=spend), "DataAvailable") == ""
    path = {"type": "FastPathShare", "fastPathShare": {"min": "0.5"}}
    assert (
        message(at_pace(PACE, objective=path, control={"shortWindow": "5s"}), "DataAvailable") == ""
    )
