"""Where a primary misses its objective and nobody can take more, the engine says so."""

import pytest

from tests.unit.domain.slo.builders import (
    BAD,
    GOOD,
    RULE,
    SPARE,
    Fleet,
    cell,
    facts,
    loop,
    shifted,
    target,
)
from tokenfleet.domain.slo.observation.measurement import EngineLoad


def test_both_bad_is_saturated_and_moves_nothing() -> None:
    fleet = shifted()
    outcome = fleet.see(BAD, cell("small", 4, 0.5), seconds=600)

    assert fleet.transitions == ["T1"]
    assert outcome.rules[str(RULE)].saturated
    assert outcome.rules[str(RULE)].message.startswith("saturated: ")


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
