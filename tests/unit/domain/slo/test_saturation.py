"""Where a primary misses its objective and nobody can take more, the engine says so."""

import pytest

from tests.unit.domain.slo.builders import RULE, Fleet, cell, facts
from tests.unit.domain.slo.test_engine import BAD, GOOD, SPARE, loop, shifted


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
