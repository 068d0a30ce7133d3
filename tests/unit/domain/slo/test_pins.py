"""Pins: what a user fixes counts at once, for everybody, until it ends."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import (
    BAD,
    GOOD,
    RULE,
    SPARE,
    T0,
    Fleet,
    facts,
    objective,
    target,
)
from tokenfleet.domain.slo.observation.measurement import Pin, RuleKey


def test_p0_a_pin_acts_at_once_and_ramps_back_when_it_expires() -> None:
    fleet = Fleet()
    fleet.see(GOOD)
    until = fleet.now + timedelta(minutes=10)
    pin = Pin(weights={"large": 1, "small": 9}, until=until)
    fleet.rules = (target(pin=pin),)
    fleet.see(GOOD, SPARE)
    assert fleet.shares() == {"large": 100, "small": 900}
    assert fleet.outcome is not None
    assert fleet.outcome.rules[str(RULE)].reason == "Pinned"
    fleet.see(GOOD, SPARE, seconds=570)
    assert fleet.shares() == {"large": 100, "small": 900}
    fleet.see(GOOD, SPARE, seconds=1800)

    assert fleet.shares() == {"large": 1000, "small": 0}
    assert fleet.transitions[0] == "P0"
    assert len(fleet.transitions) > 3


def test_what_a_pin_sends_to_a_fallback_is_no_room_for_others() -> None:
    """Pinned and shifted in the same tick: 3.6 of 4 requests a second are taken already."""
    other = RuleKey("team-a", "chat", "fast")
    pin = Pin(weights={"large": 1, "small": 9}, until=T0 + timedelta(hours=1))
    fleet = Fleet(
        rules=(target(key=other), target(pin=pin)),
        objectives=(objective("fast", rule="fast"),),
        pools=facts(small=1, capacity=5.0),
    )
    seen = fleet.measured(BAD, SPARE, demand=4.0)
    fleet.now += fleet.tick
    seen = replace(seen, at=fleet.now, rules={other: seen.rules[RULE], **seen.rules})
    fleet.step(seen)

    room = 0.85 * 5 - 3.6
    assert fleet.transitions == ["T1", "P0"]
    assert fleet.shares(other)["small"] == pytest.approx(1000 * room / 4, abs=1)


def test_a_pin_that_ends_at_once_is_not_followed_by_a_step_at_once() -> None:
    fleet = Fleet()
    fleet.see(GOOD)
    pin = Pin(weights={"large": 1, "small": 9}, until=fleet.now + timedelta(hours=1))
    fleet.rules = (target(pin=pin),)
    fleet.see(GOOD, SPARE)
    fleet.rules = (target(),)
    fleet.see(GOOD, SPARE, seconds=195)
    assert fleet.transitions == ["P0"]
    fleet.see(GOOD, SPARE)

    assert fleet.transitions == ["P0", "T4"]
