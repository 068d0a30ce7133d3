"""Two pools that are bad alike: nothing is won by moving more, however chance makes them differ."""

from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import BAD, GOOD, T0, Fleet, calm, cell, facts, shifted
from tokenfleet.domain.slo.control.memory import FallbackLimit, LoopMemory, State
from tokenfleet.domain.slo.control.state_machine import advance
from tokenfleet.domain.slo.control.transition import Standby
from tokenfleet.domain.slo.observation.evidence import Counts, Trigger


@pytest.mark.parametrize(
    ("there", "moved"),
    [
        pytest.param(0.01, True, id="the fallback is fine"),
        pytest.param(0.10, True, id="it is bad too, and far less so"),
        pytest.param(0.24, False, id="it is bad nearly as much: chance does as much"),
        pytest.param(0.35, False, id="it is bad alike"),
    ],
)
def test_t2_more_is_moved_only_to_what_is_clearly_better(*, there: float, moved: bool) -> None:
    fleet = shifted()
    fleet.see(cell("large", 4, 0.35), cell("small", 4, there), seconds=180)

    assert ("T2" in fleet.transitions) is moved


def test_t2_a_fallback_that_nobody_has_complained_of_counts_as_good() -> None:
    fleet = Fleet(pools=facts())
    fleet.see(cell("large", 4, 0.6))
    fleet.see(cell("large", 4, 0.6), seconds=150)

    assert fleet.transitions[:2] == ["T1", "T2"]


def test_t2_for_a_fallback_that_was_found_bad_only_attempts_speak() -> None:
    fleet = Fleet(pools=facts(capacity=1.5))
    fleet.see(BAD, demand=4.0)
    fleet.see(GOOD, cell("small", 4, 0.5), seconds=120, demand=4.0)
    assert fleet.transitions == ["T1", "T7"]
    fleet.see(BAD, cell("small", 0.01, 0.0), seconds=240, demand=4.0)

    assert fleet.transitions == ["T1", "T7"]


@pytest.mark.parametrize(
    ("has", "moved"),
    [
        pytest.param(0.10, False, id="0.015 more: a crumb"),
        pytest.param(0.20, True, id="0.03 more"),
    ],
)
def test_t2_a_crumb_is_not_worth_a_change_of_shares(*, has: float, moved: bool) -> None:
    """A full fallback is tried with 1.15 of what it has."""
    hour = timedelta(hours=1)
    small = Standby(pool="small", ready=1, bad=False, used=has, rate=1.0, least_kept=1 - has)
    held = LoopMemory(
        state=State.SHIFTED,
        w=1 - has,
        fallback="small",
        limits={"small": FallbackLimit(1.0, T0 + hour, 1)},
        changed_at=T0 - hour,
        effective_at=T0 - hour,
        bad_level=0.6,
        cause="latency",
    )
    proof = Trigger(
        objective="latency",
        counts=Counts(100, 40),
        limit=0.1,
        window=timedelta(minutes=1),
        lower=0.3,
    )
    seen = calm(
        acknowledged_at=T0 - hour, ready=2, flow=10.0, chain=(small,), age=hour, still_bad=proof
    )
    _, decision = advance(held, seen)

    assert (decision is not None) is moved
