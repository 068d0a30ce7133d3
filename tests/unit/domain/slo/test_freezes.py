"""A loop that changed its mind too often moves nothing, and says so."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import BAD, GOOD, RULE, SPARE, T0, Fleet, loop
from tokenfleet.domain.slo.control.memory import REST, State
from tokenfleet.domain.slo.observation.measurement import Cell


def test_t9_t10_flapping_is_frozen_for_an_hour() -> None:
    fleet = Fleet()
    fleet.see(BAD)
    now = fleet.now
    flapped = replace(loop(fleet), episodes=tuple(now - timedelta(minutes=i) for i in range(5)))
    memory = fleet.memory[str(RULE)]
    fleet.memory = {str(RULE): replace(memory, loops={"large": flapped})}
    fleet.see(BAD, SPARE, seconds=3000)
    assert fleet.transitions[1:] == ["T9"]
    assert fleet.outcome is not None
    assert fleet.outcome.rules[str(RULE)].reason == "Frozen"
    fleet.see(BAD, SPARE, seconds=900)

    assert fleet.transitions[2:4] == ["T10", "T2"]


def at_home_after(changes_of_mind: int, *, minutes: int) -> Fleet:
    """A fleet at its written weights that has changed its mind; the first so many minutes ago."""
    fleet = Fleet()
    fleet.see(GOOD)
    first = fleet.now - timedelta(minutes=minutes)
    episodes = tuple(first + timedelta(minutes=i) for i in range(changes_of_mind))
    memory = fleet.memory[str(RULE)]
    fleet.memory = {str(RULE): replace(memory, loops={"large": replace(REST, episodes=episodes)})}
    return fleet


def test_t9_a_shift_that_is_due_at_home_and_not_made_is_said() -> None:
    fleet = at_home_after(4, minutes=30)
    outcome = fleet.see(BAD, SPARE)
    view = outcome.rules[str(RULE)]

    assert fleet.transitions == ["T9"]
    assert fleet.shares() == {"large": 1000, "small": 0}
    assert view.reason == "Frozen"
    assert "a shift is due, and there were 4 changes of mind within an hour" in view.message
    assert outcome.slos["team-a/latency"].state == "Frozen"
    assert loop(fleet).freeze_until == T0 + timedelta(seconds=15, minutes=30)

    fleet.see(BAD, SPARE, seconds=1830)
    assert fleet.transitions == ["T9", "T10", "T1"]


@pytest.mark.parametrize(
    ("before", "seen"),
    [
        pytest.param(4, GOOD, id="nothing is due"),
        pytest.param(3, BAD, id="a shift may be made"),
    ],
)
def test_nobody_is_frozen_at_home_without_need(before: int, seen: Cell) -> None:
    fleet = at_home_after(before, minutes=30)
    fleet.see(seen, SPARE)

    assert "T9" not in fleet.transitions


def test_a_freeze_at_home_ends_when_no_objective_asks_for_shifts_any_more() -> None:
    fleet = at_home_after(4, minutes=30)
    fleet.see(BAD, SPARE)
    fleet.objectives = ()
    fleet.see(BAD, SPARE)

    assert fleet.transitions == ["T9", "T12"]
    assert (loop(fleet).state, loop(fleet).freeze_until) == (State.NORMAL, None)
