"""The history of users' spending: hours, and days when they are old, in one bounded ConfigMap.

    key 2026-11-26T14    the hour from 14:00 UTC; the newest one still runs
    key 2026-11-26       a day, folded when all its hours are older than `HOURS`

A value is `{"<route>": {"rest": [tokens, cost], "users": [[name, answers, prompt tokens, cached
prompt tokens, completion tokens, cost, unseen tokens, unseen cost], ...]}}`, the dearest first.
Costs are at the prices of the time; what was written is not priced again. All together have at most
`LARGEST` bytes: the oldest go first.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from tokenfleet.domain.slo.observation.measurement import Usage
from tokenfleet.domain.spending.summary import Spending, Summary, amount, heaviest, merged

KEPT: Final = 32
"""Users of one route and window that are kept."""
HOURS: Final = timedelta(hours=48)
"""Age after which hours are folded into days."""
DAYS: Final = timedelta(days=93)
"""Age after which days are dropped: a quarter can be reported."""
LARGEST: Final = 512 * 1024
"""Bytes of all windows; a ConfigMap holds 1 MiB."""

Routes = Mapping[str, Summary]


class Window(NamedTuple):
    """One span of time."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, key: str) -> "Window | None":
        """Read a key; None where it is none."""
        for form, length in (("%Y-%m-%dT%H", timedelta(hours=1)), ("%Y-%m-%d", timedelta(days=1))):
            try:
                start = datetime.strptime(key, form).replace(tzinfo=UTC)
                return cls(start, start + length)
            except (ValueError, OverflowError):
                continue
        return None

    @property
    def key(self) -> str:
        """Write the key."""
        whole_day = self.end - self.start == timedelta(days=1)
        return f"{self.start:%Y-%m-%d}" if whole_day else f"{self.start:%Y-%m-%dT%H}"


def hour_of(at: datetime) -> Window:
    """Return the hour that runs at an instant."""
    start = at.replace(minute=0, second=0, microsecond=0)
    return Window(start, start + timedelta(hours=1))


def read(data: Mapping[str, str]) -> dict[Window, Routes]:
    """Read a ConfigMap; what is no window is left out."""
    found: dict[Window, Routes] = {}
    for key, text in sorted(data.items()):
        window = Window.of(key)
        if window is not None:
            try:
                routes = json.loads(text)
                found[window] = {route: _summary(raw) for route, raw in routes.items()}
            except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
                continue
    return found


def write(windows: Mapping[Window, Routes], now: datetime) -> dict[str, str]:
    """Write what is to be kept: old hours folded, the oldest dropped."""
    kept = {w: routes for w, routes in _folded(windows, now).items() if now - w.end < DAYS}
    data: dict[str, str] = {}
    size = 0
    for window in sorted(kept, reverse=True):
        routes = {r: _raw(heaviest(s, KEPT)) for r, s in sorted(kept[window].items())}
        text = json.dumps(routes, separators=(",", ":"))
        size += len(window.key) + len(text)
        if size > LARGEST:
            break
        data[window.key] = text
    return data


def between(windows: Mapping[Window, Routes], start: datetime, end: datetime) -> Routes:
    """Add up the windows that begin within [start, end), by route."""
    mine = [routes for window, routes in windows.items() if start <= window.start < end]
    names = {route for routes in mine for route in routes}
    return {
        name: merged(routes[name] for routes in mine if name in routes) for name in sorted(names)
    }


def _folded(windows: Mapping[Window, Routes], now: datetime) -> dict[Window, Routes]:
    """Put hours into their day when the whole day is old."""
    kept: dict[Window, Routes] = {}
    days: dict[Window, list[Routes]] = {}
    for window, routes in windows.items():
        start = window.start.replace(hour=0)
        day = Window(start, start + timedelta(days=1))
        if window == day or now - day.end > HOURS:
            days.setdefault(day, []).append(routes)
        else:
            kept[window] = routes
    for day, parts in days.items():
        names = {route for routes in parts for route in routes}
        kept[day] = {
            name: merged(routes[name] for routes in parts if name in routes) for name in names
        }
    return kept


def _raw(summary: Summary) -> dict[str, Any]:
    return {
        "rest": [round(summary.rest.unseen), _money(summary.rest.unseen_cost)],
        "users": [
            [
                name,
                *(round(n) for n in (usage.requests, usage.prompt, usage.cached, usage.completion)),
                _money(spent.cost),
                round(spent.unseen),
                _money(spent.unseen_cost),
                # Added: without it, releases before read what they wrote themselves.
                *([round(usage.written)] if round(usage.written) else []),
            ]
            for name, spent in summary.names.items()
            for usage in (spent.usage,)
        ],
    }


def _summary(raw: Mapping[str, Any]) -> Summary:
    unseen, unseen_cost = raw["rest"]
    names = {}
    for name, answers, prompt, cached, completion, cost, more, more_cost, *added in raw["users"]:
        usage = Usage(
            requests=amount(answers),
            prompt=amount(prompt),
            cached=amount(cached),
            completion=amount(completion),
            written=amount(added[0]) if added else 0.0,
        )
        names[str(name)] = Spending(usage, amount(cost), amount(more), amount(more_cost))
    return Summary(names, Spending(unseen=amount(unseen), unseen_cost=amount(unseen_cost)))


def _money(amount: float) -> float:
    return float(f"{amount:.6g}")
