"""Burn rates of alerts: what they count, when they say nothing, and limits that can be reached."""

from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import RULE, THRESHOLD, objective
from tokenfleet.domain.slo.observation.measurement import Cell, RuleKey, Signal, Tally
from tokenfleet.domain.slo.reporting.burn_rates import (
    FAR,
    FARTHEST,
    LABELS,
    NEAR,
    burn_rates,
    factors,
)

HOUR = timedelta(hours=1)


def cell(pool: str, good: float, bad: float, **change) -> Cell:
    return Cell(pool=pool, windows={HOUR: Tally({THRESHOLD: good}, {THRESHOLD: bad})}, **change)


@pytest.mark.parametrize(
    ("target", "hour", "quarter"),
    [(0.999, 14.4, 6.0), (0.99, 14.4, 6.0), (0.95, 5.0, 2.5), (0.9, 2.5, 1.25), (0.5, 1.5, 1.25)],
)
def test_factors_are_those_of_the_workbook_where_a_total_breach_reaches_them_soon(
    target: float, hour: float, quarter: float
) -> None:
    found = factors(objective(target=target))

    assert found[HOUR] == pytest.approx(hour)
    assert found[timedelta(hours=6)] == pytest.approx(quarter)
    assert found[timedelta(days=3)] == 1
    assert max(found.values()) < 1 / (1 - target)


def test_a_burn_rate_counts_all_pools_of_the_rule() -> None:
    """A healthy fallback is part of what users see."""
    cells = {RULE: [cell("large", 50, 50), cell("small", 100, 0)]}

    assert burn_rates(objective(), cells, [HOUR])[HOUR] == pytest.approx(0.25 / 0.05)


def test_other_rules_routes_and_signals_do_not_count() -> None:
    cells = {
        RULE: [cell("large", 100, 0), cell("large", 0, 100, signal=Signal.TPOT)],
        RuleKey("team-a", "chat", "fast"): [cell("large", 0, 100)],
        RuleKey("team-b", "chat", "slow"): [cell("large", 0, 100)],
    }

    assert burn_rates(objective(), cells, [HOUR]) == {HOUR: 0}
    whole_route = burn_rates(objective(rule=None, shifts=False), cells, [HOUR])
    assert whole_route[HOUR] == pytest.approx(0.5 / 0.05)


def test_a_little_traffic_has_no_burn_rate() -> None:
    assert burn_rates(objective(), {RULE: [cell("large", 1, 18)]}, [HOUR]) == {}
    assert burn_rates(objective(), {}, [HOUR]) == {}


def test_a_value_that_is_no_number_has_no_burn_rate() -> None:
    cells = {RULE: [cell("large", 100, 0), cell("small", 100, 0, broken=True)]}

    assert burn_rates(objective(), cells, [HOUR]) == {}


def test_every_window_has_a_name() -> None:
    assert set(LABELS) == {*NEAR, *FAR, *FARTHEST}
