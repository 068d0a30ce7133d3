"""Decisions of runs without a limit of cost are pinned, to the byte: a new bound moves nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from tokenfleet.domain.slo.observation.measurement import TokenPrices
from tokenfleet.simulation.fleet import Scenario
from tokenfleet.simulation.run import decider, run
from tokenfleet.simulation.scenarios import WORLDS

GOLDEN = Path(__file__).parent / "testdata" / "decisions.txt"
RUNS = (
    WORLDS["failing-for-hours"],
    WORLDS["worse-fallback"],
    replace(WORLDS["chain"], seconds=2700),
)


def told(scenario: Scenario) -> str:
    found = run(scenario, decider("ours", scenario), seed=0).told
    lines = [f"{one.at:.0f} {one.taken.id} {one.taken.message}" for one in found]
    return "\n".join([f"# {scenario.name}", *lines, ""])


def test_the_decisions_of_a_loop_without_a_limit_are_the_golden_ones(update_golden) -> None:
    text = "".join(told(scenario) for scenario in RUNS)
    if update_golden:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text)

    assert text == GOLDEN.read_text()


@pytest.mark.parametrize("most", [None, 1e9], ids=["no limit", "one that is never reached"])
def test_prices_alone_move_nothing(most: float | None) -> None:
    """Fallbacks become a provider's, and every request has a price."""
    plain = RUNS[0]
    priced = {
        name: replace(pool, external=True, prices=TokenPrices(1e-6, 1e-6, 1e-6, 1e-6))
        for name, pool in plain.pools.items()
    }
    bounded = tuple(replace(slo, max_cost_per_hour=most) for slo in plain.objectives)

    assert GOLDEN.read_text().startswith(told(replace(plain, pools=priced, objectives=bounded)))
