"""Where a primary misses its objective and nobody can take more, the engine says so."""

import pytest

from tests.unit.domain.slo.builders import (
    BAD,
    GOOD,
    RULE,
    SPARE,
    WINDOWS,
    Fleet,
    cell,
    facts,
    loop,
    shifted,
    target,
)
from tokenfleet.domain.slo.observation.history import looked_at
from tokenfleet.domain.slo.observation.measurement import Cell, EngineLoad


def saturated(fleet: Fleet, *cells: Cell, ticks: int) -> list[bool]:
    """Look as the operator does, at the windows that are due; say at each tick what is told."""
    told = []
    for _ in range(ticks):
        fleet.now += fleet.tick
        due = WINDOWS.due(fleet.now, fleet.now - fleet.tick).all
        outcome = fleet.step(looked_at(fleet.measured(*cells), due))
        told.append(outcome.rules[str(RULE)].saturated)
    return told


def test_both_bad_is_saturated_and_moves_nothing() -> None:
    fleet = shifted()
    outcome = fleet.see(BAD, cell("small", 4, 0.5), seconds=600)

    assert fleet.transitions == ["T1"]
    assert outcome.rules[str(RULE)].saturated
    assert outcome.rules[str(RULE)].message.startswith("saturated: ")


@pytest.mark.parametrize("rate", [0.05, 0.2, 4.0])
def test_what_was_proved_stands_until_it_is_looked_at_again(rate: float) -> None:
    """An alert waits two minutes, and the window that proves it is looked at less often."""
    fleet = Fleet(rules=(target(fallbacks=()),))
    told = saturated(fleet, cell("large", rate, 0.6), ticks=240)

    assert all(told[told.index(True) :])
    assert not saturated(fleet, cell("large", rate, 0.0), ticks=240)[-1]


def test_what_was_proved_ends_where_a_fallback_can_help() -> None:
    fleet = Fleet(pools=facts(small=0))
    assert saturated(fleet, BAD, ticks=4)[-1]

    fleet.pools = facts()
    assert saturated(fleet, BAD, ticks=1) == [False]
    assert fleet.transitions == ["T1"]


def test_a_full_fallback_is_saturated() -> None:
    """1.7 of the 4 requests a second fit: the primary keeps the rest, and misses."""
    fleet = Fleet(pools=facts(small=2, capacity=1.0))
    fleet.see(GOOD, demand=4.0)
    outcome = fleet.see(BAD, SPARE, seconds=300, demand=4.0)

    assert loop(fleet).w == pytest.approx(0.575)
    assert outcome.rules[str(RULE)].saturated


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (EngineLoad(kv_cache=0.97), "97% of the KV cache of small is in use"),
        (EngineLoad(waiting=7.0), "7.0 requests wait for each engine of small"),
    ],
)
def test_engines_that_say_they_are_full_get_no_more(load: EngineLoad, why: str) -> None:
    fleet = shifted()
    fleet.engine_loads = {("team-a", "small"): load}
    outcome = fleet.see(BAD, SPARE, seconds=600)

    assert fleet.transitions == ["T1"]
    assert outcome.rules[str(RULE)].saturated
    assert outcome.rules[str(RULE)].message.startswith("saturated: ")
    assert why in outcome.rules[str(RULE)].message

    fleet.engine_loads = {}
    fleet.see(BAD, SPARE)
    assert fleet.transitions == ["T1", "T2"]


@pytest.mark.parametrize("load", [EngineLoad(0.94, 4.9), EngineLoad()])
def test_engines_that_are_busy_are_not_full(load: EngineLoad) -> None:
    fleet = Fleet()
    fleet.engine_loads = {("team-a", "small"): load}
    fleet.see(BAD, SPARE, seconds=60)

    assert fleet.transitions == ["T1"]


def test_a_full_fallback_is_passed_over_for_the_next_in_the_chain() -> None:
    pools = facts() | {"team-a/tiny": facts()["team-a/small"]}
    fleet = Fleet(rules=(target(fallbacks=("small", "tiny")),), pools=pools)
    fleet.engine_loads = {("team-a", "small"): EngineLoad(kv_cache=1.0)}
    fleet.see(BAD, SPARE, seconds=60)

    assert fleet.shares()["tiny"] > 0
    assert fleet.shares()["small"] == 0


def test_a_full_fallback_is_better_than_a_primary_without_endpoint() -> None:
    fleet = Fleet(pools=facts(large=0))
    fleet.engine_loads = {("team-a", "small"): EngineLoad(kv_cache=1.0)}
    fleet.see(SPARE, seconds=60)

    assert fleet.transitions == ["T1h"]


def test_being_full_is_no_reason_to_take_something_back() -> None:
    fleet = shifted()
    before = fleet.shares()
    fleet.engine_loads = {("team-a", "small"): EngineLoad(kv_cache=1.0)}
    fleet.see(BAD, SPARE, seconds=300)

    assert fleet.shares() == before
