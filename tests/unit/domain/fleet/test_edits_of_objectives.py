"""Edits of objectives in the middle of a shift: one test for each row of the table that is about them.

The table is in the control-loop page.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.domain.fleet.builders import slo
from tests.unit.domain.fleet.edited_fleet import SHIFTED, Fleet, objective


@pytest.mark.edit("objective renamed, deleted, or `Alert`")
@pytest.mark.parametrize(
    "edited",
    [
        pytest.param([objective(onBreach={"type": "Alert"})], id="only alerts now"),
        pytest.param([], id="deleted"),
        pytest.param([{**objective(), "metadata": slo("other")["metadata"]}], id="renamed"),
    ],
)
def test_without_its_objective_a_rule_steps_back(edited: list[dict[str, Any]]) -> None:
    fleet = Fleet()
    fleet.slos = edited
    fleet.visit()
    assert fleet.shares() == {"large": 400, "small": 600}
    assert fleet.reasons() == []

    fleet.ramps("slow", {"large": 1000, "small": 0})
    assert set(fleet.reasons()) == {"TrafficReturning", "TrafficReturned"}


@pytest.mark.edit("objective: threshold, target, windows")
@pytest.mark.parametrize(
    "latency",
    [
        {"threshold": "1s", "target": "0.5"},
        {"threshold": "500ms", "target": "0.5", "shortWindow": "2m", "longWindow": "6m"},
    ],
)
def test_an_edited_objective_is_judged_anew_from_where_it_is(latency: dict[str, Any]) -> None:
    fleet = Fleet()
    windows = {name: latency[name] for name in latency if name.endswith("Window")}
    latency = {name: latency[name] for name in latency if name not in windows}
    fleet.slos = [objective(objective={"type": "Latency", "latency": latency}, **windows)]
    fleet.visit()

    assert fleet.shares() == {"large": 400, "small": 600}
    assert fleet.reasons() == []
    fleet.ramps("slow", {"large": 1000, "small": 0})


@pytest.mark.edit("objective: `primaryFloor` raised, or `maxShift` lowered, beyond the share")
@pytest.mark.parametrize("bound", [{"primaryFloor": "0.5"}, {"maxShift": "0.5"}])
def test_a_bound_above_the_share_is_stepped_to(bound: dict[str, str]) -> None:
    dwelt = SHIFTED.changed_at - timedelta(minutes=3)
    fleet = Fleet(loops={"large": replace(SHIFTED, w=0.1, changed_at=dwelt)})
    fleet.slos = [objective(onBreach={"type": "ShiftTraffic", "shiftTraffic": bound})]
    fleet.visit()

    assert fleet.shares() == {"large": 200, "small": 800}
    assert fleet.reasons() == ["TrafficReturning"]
    fleet.ramps("slow", {"large": 1000, "small": 0})


@pytest.mark.edit("objective: `maxCostPerHour` lowered below what its shifts cost")
def test_a_limit_below_what_shifts_cost_gives_back_at_once() -> None:
    """8 requests a second cost 288 an hour: nine tenths of 96 pay for three of ten."""
    fleet = Fleet()
    fleet.tokens = 10.0
    provider = {"provider": "OpenAI", "credentialSecretRef": {"name": "key", "key": "key"}}
    tokens = {"prompt": "1000", "completion": "1000"}
    price = {"type": "PerMillionTokens", "perMillionTokens": tokens}
    fleet.pools = {"small": {"type": "External", "external": provider, "price": price}}

    def limited(money: str) -> list[dict[str, Any]]:
        bound = {"shiftTraffic": {"maxCostPerHour": money}}
        return [objective(onBreach={"type": "ShiftTraffic", **bound})]

    fleet.slos = limited("200")
    fleet.visit()
    assert fleet.shares() == {"large": 400, "small": 600}
    assert fleet.reasons() == []

    fleet.slos = limited("96")
    fleet.visit()
    assert fleet.shares() == {"large": 700, "small": 300}
    assert fleet.reasons() == ["ShiftTooDear"]
    fleet.ramps("slow", {"large": 1000, "small": 0})
