"""What a shift might have changed is an interval, and where nothing was seen it is not even that."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import (
    REPLICA,
    RULE,
    T0,
    cell,
    facts,
    measurement,
    objective,
    target,
)
from tokenfleet.backtest.books import Books
from tokenfleet.backtest.replay import Replay, Seen
from tokenfleet.domain.fleet.subject import Subject

TICK = timedelta(seconds=15)
RATE = 4.0


def replayed(bad: float, spare: float | None, *, minutes: int = 5) -> tuple[Replay, Books]:
    """A primary that is bad all the time; a fallback with traffic of its own, or with none."""
    slo = objective()
    replay = Replay(
        subject=Subject(
            namespace="team-a",
            router="default",
            rules=(target(),),
            objectives=(slo,),
            pools=facts(),
        )
    )
    books = Books(objective=slo, rule=RULE, every=TICK)
    cells = [cell("large", RATE, bad)] + ([cell("small", RATE, spare)] if spare is not None else [])
    for tick in range(minutes * 4):
        measured = measurement(T0 + tick * TICK, *cells)
        seen = Seen(measurement=measured, replicas=(replace(REPLICA),), shares={}, ready={})
        outcome = replay.tick(seen)
        books.tick(replay, seen, outcome.slos[slo.key].data)
    return replay, books


def test_the_upper_end_is_what_the_fallback_showed_and_the_lower_end_is_nothing() -> None:
    _, books = replayed(0.6, 0.1)
    interval = books.avoided()

    assert books.attempts == pytest.approx(2 * RATE * 300, rel=0.01)
    assert books.bad == pytest.approx((0.6 + 0.1) * RATE * 300, rel=0.01)
    assert interval is not None
    assert interval.lower == 0
    assert interval.upper == pytest.approx(books.moved * 0.5, rel=0.01)
    assert 0 < books.moved < RATE * 300


def test_a_fallback_that_is_worse_makes_harm_the_lower_end() -> None:
    _, books = replayed(0.6, 0.6)
    equal = books.avoided()
    _, books = replayed(0.3, 0.0)
    better = books.avoided()

    assert equal == (0, 0)
    assert better is not None
    assert better.upper > 0


def test_without_attempts_on_the_fallback_there_is_no_estimate() -> None:
    """A fallback that nobody used says nothing about itself, least of all that it is good."""
    _, books = replayed(0.6, None)

    assert books.moved > 0
    assert books.avoided() is None
    assert books.violating_with() is None


def test_what_is_shifted_in_the_records_too_is_not_moved_again() -> None:
    """The recorded share of the primary was 0: no attempt of it is left to move."""
    slo = objective()
    subject = Subject(
        namespace="team-a", router="default", rules=(target(),), objectives=(slo,), pools=facts()
    )
    replay, books = Replay(subject=subject), Books(objective=slo, rule=RULE, every=TICK)
    for tick in range(12):
        seen = Seen(
            measurement=measurement(T0 + tick * TICK, cell("large", 4, 0.6), cell("small", 4, 0)),
            replicas=(REPLICA,),
            shares={RULE: {"large": 0.5, "small": 0.5}},
            ready={},
        )
        outcome = replay.tick(seen)
        books.tick(replay, seen, outcome.slos[slo.key].data)
        if outcome.shares[str(RULE)]["large"] == 500:
            break

    assert books.moved == pytest.approx(0, abs=0.5)
