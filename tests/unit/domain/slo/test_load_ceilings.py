"""What a loop learns about load, and how far it steps back because of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import (
    BAD,
    GOOD,
    SPARE,
    WINDOWS,
    Fleet,
    cell,
    facts,
    loop,
    shifted,
)
from tokenfleet.domain.slo.observation.measurement import EngineLoad


def failed_recovery(*, rate=4.0) -> Fleet:
    """A fleet whose first step back, to 75 % of 4/s, was one too many."""
    fleet = shifted()
    while fleet.transitions[-1] != "T3":
        fleet.see(GOOD, SPARE, demand=rate)
    while fleet.transitions[-1] != "T6":
        fleet.see(BAD, SPARE, demand=rate)
    return fleet


def test_t6_a_step_that_spends_a_little_too_much_is_taken_back_too() -> None:
    """10 % is no breach of p95, and a step back has no business being beyond its budget."""
    fleet = shifted()
    while fleet.transitions[-1] != "T3":
        fleet.see(GOOD, SPARE)
    fleet.see(cell("large", 4, 0.1), SPARE, seconds=90)

    assert fleet.transitions[-1] == "T6"
    assert "10.0% exceeds 8.8%" in fleet.decisions[-1].message


def test_t2_a_share_that_stays_beyond_the_budget_is_lowered() -> None:
    fleet = shifted()
    fleet.see(cell("large", 4, 0.1), SPARE, seconds=240)

    assert fleet.transitions == ["T1", "T2"]
    assert loop(fleet).w == pytest.approx(0.375)


def test_a_ceiling_is_a_load_and_ends_short_of_what_was_bad() -> None:
    """3/s on two replicas was bad: 0.85 * 3 of 4/s, whatever the demand of the moment is."""
    fleet = failed_recovery()
    assert loop(fleet).bad_rate == pytest.approx(1.5)
    fleet.see(GOOD, SPARE, demand=4.0, seconds=1500)

    assert fleet.shares()["large"] == pytest.approx(638, abs=1)


def test_a_ceiling_does_not_hold_back_what_is_less_load_than_was_bad() -> None:
    fleet = failed_recovery()
    fleet.see(GOOD, SPARE, demand=2.0, seconds=1500)

    assert fleet.shares()["large"] == 1000


def test_a_ceiling_that_ended_lets_what_was_bad_be_tried_and_no_more() -> None:
    fleet = failed_recovery()
    until = loop(fleet).ceiling_until
    assert until is not None
    while fleet.now <= until + timedelta(seconds=15):
        fleet.see(GOOD, SPARE, demand=4.0)
    assert fleet.shares()["large"] == 750
    assert loop(fleet).bad_at == pytest.approx(0.75)
    fleet.see(GOOD, SPARE, demand=4.0, seconds=225)

    assert fleet.shares()["large"] == 1000  # it was good: what was learned is no longer true
    assert loop(fleet).bad_at is None


def test_on_probation_less_is_needed_to_call_a_breach() -> None:
    """20 % within a minute is no fast breach of p95; an hour after a recovery it is enough."""
    bad = cell("large", 4, 0.2)
    short_only = replace(bad, windows={**GOOD.windows, WINDOWS.short: bad.windows[WINDOWS.short]})
    fleet = shifted()
    fleet.see(GOOD, SPARE, seconds=1800)
    assert fleet.transitions[-1] == "T5"
    fleet.see(short_only)
    assert fleet.transitions[-1] == "T1"
    assert loop(fleet).failures == 1
    fresh = Fleet()
    fresh.see(GOOD, seconds=300)
    fresh.see(short_only, seconds=300)

    assert fresh.transitions == []


def test_t7_what_a_fallback_did_not_bear_is_remembered_whatever_was_declared() -> None:
    """2/s on two replicas made it bad: it keeps 0.7 of that, and is tried with more step by step."""
    fleet = Fleet(pools=facts(capacity=1.5))
    fleet.see(BAD, demand=4.0)
    fleet.see(GOOD, cell("small", 4, 0.5), seconds=120, demand=4.0)
    assert fleet.transitions == ["T1", "T7"]
    assert fleet.shares()["small"] == pytest.approx(350, abs=1)
    while fleet.transitions[-1] != "T2":
        fleet.see(BAD, SPARE, demand=4.0)

    assert fleet.shares()["small"] == pytest.approx(1.15 * 350, abs=1)


def test_t7_the_search_for_what_a_fallback_bears_is_one_change_of_mind() -> None:
    """Each would count, and after four a breach of the primary would move nothing for an hour."""
    fleet = Fleet(pools=facts(capacity=1.5))
    fleet.see(BAD, demand=4.0)
    while fleet.transitions.count("T7") < 3:
        fleet.see(GOOD, cell("small", 4, 0.5), demand=4.0)

    assert len(loop(fleet).episodes) == 2


def test_t7_what_is_less_bad_than_the_primary_was_is_not_left_for_it() -> None:
    """Nobody waits in its engines, so load seems no reason; but 60 % were bad before, and 12 % are."""
    fleet = shifted()
    fleet.engine_loads = {("team-a", "small"): EngineLoad(waiting=0.0)}
    while fleet.transitions[-1] != "T7":
        fleet.see(GOOD, cell("small", 4, 0.12))

    assert loop(fleet).w == pytest.approx(0.575)


def test_t7_what_a_fallback_did_not_bear_is_forgotten_after_a_while() -> None:
    fleet = Fleet(pools=facts(capacity=1.5))
    fleet.see(BAD, demand=4.0)
    fleet.see(GOOD, cell("small", 4, 0.5), seconds=120, demand=4.0)
    fleet.see(BAD, SPARE, seconds=4200, demand=4.0)

    assert fleet.shares()["small"] == pytest.approx(637, abs=1)  # 0.85 of what is declared
