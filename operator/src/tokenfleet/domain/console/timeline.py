"""A route over time, as lines that a page can draw: shares, first tokens, burn rates."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import Final

Point = tuple[float, float]
"""(seconds since 1970, value)."""

MOST_POINTS: Final = 240
"""Points of one line: more than a page has room for."""

STEPS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
)
"""Distances between points, of which a span takes the shortest that needs few enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a drawing."""

    name: str
    """What it is of: a pool, a quantile, an objective."""
    rule: str
    """Rule of the route; empty: of the whole route."""
    points: tuple[Point, ...]
    """Ascending; instants without a value are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A route over a span."""

    shares: tuple[Line, ...] = ()
    """By rule and pool, 0 to 1."""
    first_tokens: tuple[Line, ...] = ()
    """Seconds, p50 and p99."""
    burn_rates: tuple[Line, ...] = ()
    """By objective; 1 spends the budget exactly."""


def step_of(span: timedelta) -> timedelta:
    """Return the distance between two points of a span."""
    return next((step for step in STEPS if span / step <= MOST_POINTS), STEPS[-1])


def lines(
    series: Iterable[tuple[Mapping[str, str], Sequence[Point]]], name: str, *, rule: str = "rule"
) -> tuple[Line, ...]:
    """Return series as lines, sorted; values that are no finite numbers are left out.

    Args:
        series: labels and points.
        name: label that names a line.
        rule: label of its rule.
    """
    found = [
        Line(
            name=labels.get(name, ""),
            rule=labels.get(rule, ""),
            points=tuple((at, round(value, 6)) for at, value in points if isfinite(value)),
        )
        for labels, points in series
    ]
    return tuple(
        sorted((line for line in found if line.points), key=lambda line: (line.rule, line.name))
    )
