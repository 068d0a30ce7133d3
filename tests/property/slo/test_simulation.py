"""The loop on a model of a fleet: it acts soon, never without a cause, and never makes it worse.

Bounded by runs, not by time: some three minutes of CPU. `make simulate` measures the same promises
on more seeds and draws, and over whole weeks.
"""

import pytest

from tokenfleet.simulation.gates import PROMISES, SHORT, Gate
from tokenfleet.simulation.run import simulate
from tokenfleet.simulation.scenarios import BY_NAME
from tokenfleet.simulation.worlds import CHECKS


@pytest.mark.parametrize("name", PROMISES)
def test_a_promise_is_kept(name: str) -> None:
    assert_kept(PROMISES[name](SHORT))


@pytest.mark.parametrize("name", CHECKS)
def test_little_evidence_is_not_mistaken(name: str) -> None:
    assert_kept(CHECKS[name](SHORT))


def assert_kept(gate: Gate) -> None:
    assert gate.kept, gate


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
    """Why `tokenfleet_pool_demand` exists: driven by busyness the idle primary is taken away."""
    busyness, demand = (simulate(BY_NAME[name], "ours", seed=0) for name in ("N", "O"))

    assert demand.shares[-1][1] == busyness.shares[-1][1] == 1.0
    assert demand.fewest["primary"] > 2 * busyness.fewest["primary"]


def test_equal_seeds_give_equal_runs() -> None:
    assert simulate(BY_NAME["E"], "ours", seed=3) == simulate(BY_NAME["E"], "ours", seed=3)
