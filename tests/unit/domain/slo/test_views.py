"""What people see of an objective: numbers over all pools of its rule."""

import pytest

from tests.unit.domain.slo.builders import Fleet, cell


def test_the_view_counts_all_pools_of_the_rule() -> None:
    fleet = Fleet()
    fleet.see(cell("large", 4, 0.6))
    outcome = fleet.see(cell("large", 1, 0.2), cell("small", 3, 0.0))
    view = outcome.slos["team-a/latency"]

    assert (view.total, view.bad) == (720, 36)
    assert view.burn_rate == pytest.approx(1.0)
    assert view.met is True
    assert view.state == "Shifted"
    assert outcome.demand == {"team-a/large": pytest.approx(4.0)}
