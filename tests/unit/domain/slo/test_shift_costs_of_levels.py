"""What objectives about cost and caching may spend at providers: the same limit, by their steps."""

from dataclasses import replace

import pytest

from tests.unit.domain.slo.builders import WINDOWS, Fleet, level, used
from tests.unit.domain.slo.test_shift_costs import fleet
from tokenfleet.domain.slo.control.cost_ledger import FILLED
from tokenfleet.domain.slo.objectives.spec import Level
from tokenfleet.domain.slo.observation.measurement import TokenPrices

LEVELS = {
    "large": TokenPrices(0, 0, 2e-5, 0),
    "cloud": TokenPrices(0, 0, 2e-6, 0),
}
W = WINDOWS.level.total_seconds()


def levelled(limit: float) -> Fleet:
    """0.02 for a request at the large pool, 0.002 at the provider: 28.8 an hour for all of it."""
    made = fleet(
        objectives=(),
        levels=(level(kind=Level.COST, max_cost_per_hour=limit),),
        prices=LEVELS["cloud"],
    )
    made.pools["team-a/large"] = replace(made.pools["team-a/large"], tokens=LEVELS["large"])
    made.usage = (used("large", 0.1, completion=1000),)
    return made


def test_an_objective_about_cost_shifts_as_far_as_the_money_too() -> None:
    """Steps of a tenth cost 2.88 each."""
    seen = levelled(5.0)
    seen.see(seconds=4 * W, demand=4.0)

    assert seen.transitions == ["L5", "L5"]
    assert seen.shares()["cloud"] == pytest.approx(FILLED * 5 / 28.8 * 1000, abs=1)


def test_an_objective_about_cost_gives_back_what_the_money_does_not_pay_for() -> None:
    seen = levelled(5.0)
    seen.see(seconds=4 * W, demand=4.0)
    seen.see(demand=8.0)

    assert seen.transitions == ["L5", "L5", "L7"]
    assert seen.shares()["cloud"] == pytest.approx(FILLED * 5 / 57.6 * 1000, abs=1)
    assert "cost more than 5 an hour: giving some back" in seen.decisions[-1].message


def test_an_objective_about_cost_leaves_a_provider_that_lost_its_price() -> None:
    made = fleet(
        objectives=(),
        levels=(level("caching", Level.CACHE, 0.3, max_cost_per_hour=50.0),),
        prices=LEVELS["cloud"],
    )
    made.usage = (
        used("large", 4, prompt=100, cached=10),
        used("cloud", 4, prompt=100, cached=90),
    )
    made.see(seconds=W, demand=4.0)
    shifted = list(made.transitions)
    made.pools["team-a/cloud"] = replace(made.pools["team-a/cloud"], tokens=None)
    made.see(demand=4.0)

    assert shifted[0] == "L5"
    assert made.transitions[len(shifted) :] == ["L7"]
    assert made.shares()["cloud"] == 0
