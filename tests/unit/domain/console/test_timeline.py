"""A route over time: few enough points, and only numbers."""

from datetime import timedelta
from math import inf, nan

import pytest

from tokenfleet.domain.console.timeline import MOST_POINTS, Line, lines, step_of


@pytest.mark.parametrize("hours", [0.1, 1, 3, 24, 24 * 7, 24 * 30])
def test_a_span_has_as_many_points_as_a_page_has_room_for(hours: float) -> None:
    span = timedelta(hours=hours)

    assert span / step_of(span) <= MOST_POINTS


def test_an_hour_is_drawn_by_the_scrape() -> None:
    assert step_of(timedelta(hours=1)) == timedelta(seconds=15)


def test_lines_hold_finite_numbers_and_come_in_one_order() -> None:
    found = lines(
        [
            ({"pool": "small", "rule": "slow"}, [(1.0, 0.25), (2.0, nan)]),
            ({"pool": "large", "rule": "slow"}, [(1.0, 0.75), (2.0, inf)]),
            ({"pool": "none", "rule": "slow"}, [(1.0, nan)]),
        ],
        "pool",
    )

    assert found == (
        Line(name="large", rule="slow", points=((1.0, 0.75),)),
        Line(name="small", rule="slow", points=((1.0, 0.25),)),
    )
