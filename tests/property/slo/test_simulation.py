"""The loop on a model of a fleet: it acts soon, never without a cause, and never makes it worse."""

import json
from datetime import timedelta
from statistics import median

import pytest

from tokenfleet.cli.main import main
from tokenfleet.simulation.gates import QUICK, false_shifts, time_to_act
from tokenfleet.simulation.run import simulate
from tokenfleet.simulation.scenarios import SCENARIOS

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_a_step_fault_is_acted_on_within_90_seconds_at_a_15_second_scrape(rate: float) -> None:
    times = [time_to_act(rate, 0.9, seed=seed) for seed in range(8)]

    assert None not in times
    assert max(times) <= 90
    assert median(times) <= 75


def test_a_quicker_scrape_acts_within_35_seconds() -> None:
    times = [time_to_act(2.0, 0.9, seed=seed, pace=QUICK) for seed in range(8)]

    assert max(times) <= 35
    assert median(times) <= 25


def test_a_total_outage_at_three_requests_a_minute_is_acted_on_within_25_minutes() -> None:
    times = [time_to_act(0.05, 1.0, seed=seed) for seed in range(4)]

    assert None not in times
    assert max(times) <= 25 * 60


@pytest.mark.parametrize("rate", [0.05, 0.5, 4.0])
def test_a_fleet_within_its_budget_is_never_touched(rate: float) -> None:
    """Half a day each here; `tests/bench` style runs of 7 days are in the control-loop page."""
    assert false_shifts(rate, days=0.5, seed=7) == []


@pytest.mark.parametrize("name", ["A'", "E", "G", "H"])
def test_control_is_never_worse_than_none_and_finds_its_way_back(name: str) -> None:
    none = simulate(BY_NAME[name], "none", seed=1)
    ours = simulate(BY_NAME[name], "ours", seed=1)

    assert ours.bad < none.bad / 2
    assert ours.flips <= 8
    assert timedelta(seconds=ours.shares[-1][0]) < timedelta(hours=2)
    assert ours.shares[-1][1] == 1.0


def test_equal_seeds_give_equal_runs() -> None:
    assert simulate(BY_NAME["E"], "ours", seed=3) == simulate(BY_NAME["E"], "ours", seed=3)


def test_the_command_prints_a_table_and_json(capsys) -> None:
    asked = ["simulate", "--scenario", "E", "--policy", "none", "--policy", "ours", "--seeds", "1"]

    assert main(asked) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[2] == "| scenario | none | ours |"
    assert table[4].startswith("| E: 60 % errors for 15 min | 7")

    assert main([*asked, "--output", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [result["policy"] for result in found] == ["none", "ours"]

    assert main([*asked, "--tick", "0"]) == 2
