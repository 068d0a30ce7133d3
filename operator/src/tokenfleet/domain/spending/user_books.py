"""What one router's replicas say of users, as hours by route: priced, added up, cut.

A replica tells of the hour that runs and of the one before, from the beginning of each; its newest
report takes the place of the one before. What a replica said last stays while its hours do, also
when the replica is gone.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.domain.slo.observation.measurement import PoolFacts
from tokenfleet.domain.spending.prices import Place, priced
from tokenfleet.domain.spending.summary import Summary, heaviest, larger, merged
from tokenfleet.domain.spending.user_history import Routes, Window, hour_of

HOUR: Final = timedelta(hours=1)
REPORTED: Final = 64
"""Users of one label set that are kept of one replica's report."""
DIGITS: Final = 16
"""Hex digits of a hashed name: two of a million users share one with a chance of 3 in 10^8."""

Report = Mapping[tuple[Place, Window], Summary]


def hashed(namespace: str, router: str, name: str) -> str:
    """Return the pseudonym of a user; nobody stays nobody."""
    text = f"{namespace}/{router}/{name}"
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS] if name else ""


def kept(report: Report, now: datetime, rename: Callable[[str], str]) -> Report:
    """Return what is kept of a report: two hours, the heaviest users, under the names they get."""
    hours = open_hours(now)
    return {
        key: _renamed(heaviest(summary, REPORTED), rename)
        for key, summary in report.items()
        if key[1] in hours
    }


def open_hours(now: datetime) -> tuple[Window, Window]:
    """Return the hour before and the hour that runs: reports still change them."""
    return hour_of(now - HOUR), hour_of(now)


def places(
    reports: Iterable[Report], window: Window, facts: Mapping[str, PoolFacts], now: datetime
) -> dict[Place, Summary]:
    """Return one hour of all replicas together, with costs.

    Args:
        reports: the newest of each replica.
        window: the hour.
        facts: pool -> prices and ready replicas.
        now: of the hour that runs, only what is over is paid.
    """
    found: dict[Place, list[Summary]] = {}
    for report in reports:
        for (place, hour), summary in report.items():
            if hour == window:
                found.setdefault(place, []).append(summary)
    together = {place: merged(parts) for place, parts in sorted(found.items())}
    return priced(together, facts, (min(now, window.end) - window.start) / HOUR)


def by_route(spent: Mapping[Place, Summary]) -> Routes:
    """Add up label sets by route."""
    found: dict[str, list[Summary]] = {}
    for place, summary in spent.items():
        found.setdefault(place.route, []).append(summary)
    return {route: merged(parts) for route, parts in found.items()}


def extended(
    history: Mapping[Window, Routes], found: Mapping[Window, Routes]
) -> dict[Window, Routes]:
    """Return the history with the open hours as they are known now.

    What an earlier process wrote of the same hour may hold replicas that are gone; it never holds
    more than was used, so of each user the larger one is right.
    """
    windows = dict(history)
    for window, routes in found.items():
        before = history.get(window, {})
        windows[window] = {
            route: larger(before.get(route, Summary()), routes.get(route, Summary()))
            for route in sorted({*before, *routes})
        }
    return windows


def renamed(history: Mapping[Window, Routes], rename: Callable[[str], str]) -> dict[Window, Routes]:
    """Return a history under other names."""
    return {
        window: {route: _renamed(summary, rename) for route, summary in routes.items()}
        for window, routes in history.items()
    }


def _renamed(summary: Summary, rename: Callable[[str], str]) -> Summary:
    return Summary({rename(name): spent for name, spent in summary.names.items()}, summary.rest)
