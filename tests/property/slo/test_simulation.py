"""The loop on a model of a fleet: it acts soon, never without a cause, and never makes it worse.

Bounded by runs, not by time: a minute and a half on one core. `make simulate` measures the same
promises on more seeds and draws, and over whole weeks.
"""

import pytest

from tokenfleet.simulation.draws import drawn
from tokenfleet.simulation.gates import (
    QUICK,
    Gate,
    acts,
    bad_requests,
    never_worse,
    quiet,
    worse_than_none,
)
from tokenfleet.simulation.run import simulate
from tokenfleet.simulation.scenarios import BY_NAME, SCENARIOS


def kept(*gates: Gate) -> None:
    assert [gate for gate in gates if not gate.kept] == []


def test_few_requests_are_bad_and_shares_do_not_saw() -> None:
    """At most 1.5 % in C, 5 % in A', 2 % in D; at most 12 changes of direction in C."""
    kept(*bad_requests(range(2)))


@pytest.mark.parametrize("name", [s.name for s in SCENARIOS if s.name not in {"C", "D"}])
def test_control_is_never_worse_than_none(name: str) -> None:
    assert worse_than_none(BY_NAME[name], seed=11) is None


def test_control_is_never_worse_than_none_on_fleets_that_nobody_tuned_it_for() -> None:
    """Rates, service times, fallbacks, thresholds and causes drawn; capacities unknown or wrong."""
    kept(never_worse("fresh draws", ((drawn(number), 0) for number in range(1000, 1015))))


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_a_step_fault_is_acted_on_within_90_seconds_at_a_15_second_scrape(rate: float) -> None:
    kept(acts(rate, 0.9, seeds=8, middle=75, most=90))


def test_a_quicker_scrape_acts_within_35_seconds() -> None:
    kept(acts(2.0, 0.9, seeds=8, middle=25, most=35, pace=QUICK))


def test_a_total_outage_at_three_requests_a_minute_is_acted_on_within_25_minutes() -> None:
    kept(acts(0.05, 1.0, seeds=4, middle=1500, most=1500))


@pytest.mark.parametrize(("rate", "days"), [(0.05, 2.0), (0.5, 2.0), (8.0, 1.0)])
def test_a_fleet_within_its_budget_is_never_touched(rate: float, days: float) -> None:
    kept(quiet(rate, days=days))


@pytest.mark.parametrize("name", ["A", "A'", "E", "H", "M", "P", "Q"])
def test_when_the_cause_is_gone_everything_is_as_written(name: str) -> None:
    ours = simulate(BY_NAME[name], "ours", seed=1)

    assert ours.flips <= 8
    assert ours.shares[-1][1] == 1.0


def test_a_fallback_that_others_fill_gets_nothing() -> None:
    """Nobody declared its capacity and no router sees its load: its engines say it."""
    assert simulate(BY_NAME["R"], "ours", seed=0).decisions == ()
    assert simulate(BY_NAME["R"], "naive", seed=0).fallback > 0.5


def test_an_autoscaler_driven_by_demand_leaves_a_shifted_primary_its_replicas() -> None:
    """Why `tokenfleet_pool_demand` exists: driven by busyness the way back takes longer."""
    busyness, demand = (simulate(BY_NAME[name], "ours", seed=0) for name in ("N", "O"))

    assert demand.shares[-1][1] == 1.0
    assert demand.shares[-1][0] < busyness.shares[-1][0]


def test_equal_seeds_give_equal_runs() -> None:
    assert simulate(BY_NAME["E"], "ours", seed=3) == simulate(BY_NAME["E"], "ours", seed=3)
