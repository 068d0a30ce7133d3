"""Windows are asked for when they are due, long enough for the scrapes, and what came before is kept."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import (
    RULE,
    T0,
    THRESHOLD,
    WINDOWS,
    Fleet,
    cell,
    loop,
    measurement,
    objective,
)
from tokenfleet.domain.slo.objectives.spec import Windows, fitting
from tokenfleet.domain.slo.observation.history import LENGTH, extended, looked_at
from tokenfleet.domain.slo.observation.measurement import NO_THRESHOLD, Signal


def test_each_window_is_asked_for_once_per_quarter_of_its_length_and_every_tick_costs_the_same() -> (
    None
):
    asked, most = Counter(), 0
    for n in range(1, 2048):
        at, since = (T0 + timedelta(seconds=15 * k) for k in (n, n - 1))
        due = WINDOWS.due(at, since).all
        most = max(most, len(due))
        asked.update(due)

    assert most <= 4
    for window in WINDOWS.evidence[1:]:
        looks = 2047 * 15 / (window.total_seconds() / 4)
        # Beside each comes its half, which is asked for more often than it is due itself.
        assert looks - 1 <= asked[window] <= 1.5 * looks + 2


def test_after_a_start_or_a_long_silence_everything_is_asked_for() -> None:
    assert WINDOWS.due(T0, None).all == WINDOWS.all
    assert set(WINDOWS.due(T0, T0 - timedelta(days=1)).all) == set(WINDOWS.all)


@pytest.mark.parametrize(
    ("scrape", "short"),
    [
        pytest.param(15, 60, id="four scrapes fit"),
        pytest.param(60, 240, id="the window follows the scrape"),
    ],
)
def test_the_shortest_window_holds_four_scrapes(scrape: int, short: int) -> None:
    found = fitting(objective(), timedelta(seconds=scrape))

    assert found.windows.short == found.policy.short == timedelta(seconds=short)
    assert found.windows.long >= found.windows.short


def test_what_a_short_window_is_worth_does_not_grow_with_the_scrape() -> None:
    """Four minutes at 10 % have overspent four minutes' worth of a 5 % budget."""
    found = fitting(objective(), timedelta(seconds=60))

    assert found.limit(timedelta(minutes=4)) == objective().limit(timedelta(minutes=4))


def test_what_is_found_out_slowly_is_tried_less_often() -> None:
    assert fitting(objective(), timedelta(seconds=15)).policy.hold == timedelta(minutes=5)
    assert fitting(objective(), timedelta(seconds=60)).policy.hold == timedelta(minutes=20)
    assert fitting(objective(), timedelta(minutes=5)).policy.hold == timedelta(minutes=60)


def test_a_declared_scrape_of_a_minute_makes_the_engine_judge_longer_windows() -> None:
    wide = Windows(short=timedelta(minutes=4), long=timedelta(minutes=4))
    fleet = Fleet()
    outcome = fleet.see(
        cell("large", 4, 0.6, windows=wide), scrape_interval=timedelta(minutes=1), seconds=15
    )

    assert fleet.transitions == ["T1"]
    assert fleet.decisions[0].decision.window == 240
    assert "240 s, four scrapes of 60 s" in outcome.slos["team-a/latency"].note


@pytest.mark.parametrize(
    ("scrape", "ends"),
    [
        pytest.param(15, 1000, id="found out soon: all is tried"),
        pytest.param(60, 850, id="found out late: as much load as was bad is not tried"),
    ],
)
def test_on_rare_scrapes_the_load_of_the_first_shift_is_not_tried_soon(
    scrape: int, ends: int
) -> None:
    windows = fitting(objective(), timedelta(seconds=scrape)).windows
    every = {"scrape_interval": timedelta(seconds=scrape), "demand": 4.0}
    fleet = Fleet()
    fleet.see(cell("large", 4, 0.6, windows=windows), **every)
    assert fleet.transitions == ["T1"]

    good = (cell("large", 4, 0.0, windows=windows), cell("small", 4, 0.0, windows=windows))
    fleet.see(*good, seconds=5400, **every)

    assert round(loop(fleet).w * 1000) == ends


def test_on_rare_scrapes_errors_leave_no_ceiling() -> None:
    """They do not depend on load."""
    errors = objective(signal=Signal.ERRORS, threshold=NO_THRESHOLD)
    windows = fitting(errors, timedelta(seconds=60)).windows
    failing = cell("large", 4, 0.6, windows=windows, threshold=NO_THRESHOLD, signal=Signal.ERRORS)
    fleet = Fleet(objectives=(errors,))
    fleet.see(failing, scrape_interval=timedelta(minutes=1), demand=4.0)

    assert fleet.transitions == ["T1"]
    assert loop(fleet).ceiling_until is None


def test_a_slot_is_kept_when_it_is_over_and_two_hours_of_them() -> None:
    seen = None
    for n in range(4 * (LENGTH + 3)):
        at = T0 + timedelta(seconds=15 * n)
        seen = extended(seen, measurement(at, cell("large", 4, 0.25)), {WINDOWS.short})
    slots = seen.rule(RULE).cells[0].slots[WINDOWS.short, THRESHOLD]

    assert slots.good == (180,) * LENGTH
    assert slots.bad == (60,) * LENGTH


def test_a_broken_series_adds_nothing_to_what_came_before() -> None:
    first = extended(None, measurement(T0, cell("large", 4, 0.25)), {WINDOWS.short})
    later = T0 + timedelta(minutes=1)
    broken = replace(cell("large", 4, 0.25), broken=True)

    assert (
        extended(first, measurement(later, broken), {WINDOWS.short}).rule(RULE).cells[0].slots == {}
    )


def test_a_replay_sees_only_the_windows_that_a_live_operator_asked_for() -> None:
    seen = looked_at(measurement(T0, cell("large", 4, 0.25)), {WINDOWS.short})

    assert set(seen.rule(RULE).cells[0].windows) == {WINDOWS.short}
