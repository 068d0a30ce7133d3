"""What is left of an error budget, in slots, and who spent it."""

from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import RULE, T0, THRESHOLD, objective
from tokenfleet.domain.slo.objectives.error_budget import (
    BURNERS,
    SLOTS,
    Burner,
    Spent,
    budget,
    over,
    running,
    slot_length,
    spent,
    start_of,
)
from tokenfleet.domain.slo.observation.measurement import Cell, Tally

WEEKS = timedelta(hours=672)
SLO = objective()


def attempts(good: float, bad: float, *, pool="large", **changes) -> Cell:
    tally = Tally({THRESHOLD: good}, {THRESHOLD: bad})
    return Cell(pool=pool, windows={slot_length(WEEKS): tally}, **changes)


def test_slots_cover_the_window_and_touch() -> None:
    slots = [*over(WEEKS, T0), running(WEEKS, T0)]

    assert len(set(slots)) == SLOTS
    assert slot_length(WEEKS) == timedelta(hours=14)
    assert start_of(WEEKS, running(WEEKS, T0)) <= T0
    covered = T0 - start_of(WEEKS, min(slots))
    assert WEEKS - timedelta(hours=14) < covered <= WEEKS


def test_what_is_left_is_what_was_not_spent() -> None:
    """Half of the 5 % that p95 allows."""
    left = budget(
        SLO, [Spent(total=600, bad={("slow", ""): 20}), Spent(total=400, bad={("slow", ""): 5})]
    )

    assert left is not None
    assert left.remaining == pytest.approx(0.5)
    assert (left.total, left.bad) == (1000, 25)


def test_a_budget_can_be_overspent() -> None:
    left = budget(SLO, [Spent(total=100, bad={("slow", ""): 10})])

    assert left is not None
    assert left.remaining == pytest.approx(-1.0)


def test_without_attempts_nothing_is_spent_and_without_data_nothing_is_said() -> None:
    quiet = budget(SLO, [Spent(total=0)])

    assert quiet is not None
    assert quiet.remaining == 1.0
    assert quiet.covered == pytest.approx(1 / SLOTS)
    assert budget(SLO, [None, None]) is None


def test_the_largest_burners_come_first_and_are_few() -> None:
    bad = {("slow", f"f{i}"): float(i) for i in range(1, 9)}
    left = budget(SLO, [Spent(total=1000, bad=bad)])

    assert left is not None
    assert left.burners[0] == Burner("slow", "f8", 8, 8 / 36)
    assert len(left.burners) == BURNERS


def test_all_pools_of_the_rule_count_and_other_rules_do_not() -> None:
    cells = {
        RULE: [attempts(90, 10, feature="agents"), attempts(50, 0, pool="small")],
        RULE._replace(rule="fast"): [attempts(0, 99)],
    }

    assert spent(SLO, cells) == Spent(total=150, bad={("slow", "agents"): 10})


def test_no_series_and_a_broken_one_are_not_covered() -> None:
    assert spent(SLO, {}) is None
    assert spent(SLO, {RULE: [attempts(1, 1, broken=True)]}) is None
