"""Decisions over time, told twice: by Events, with their reasons, and by a counter.

The API server keeps Events for an hour or so; Prometheus keeps the counter for weeks, and knows
only which transition was taken on which route. Together: every decision once, in words where they
last.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tokenfleet.domain.fleet.decision_notes import ALARMING, REASONS
from tokenfleet.domain.fleet.keys import ROUTE

Body = Mapping[str, Any]
Point = tuple[float, float]
"""(seconds since 1970, value)."""

ACTION: Final = "SetShares"
"""`action` of Events about decisions."""

COUNTED: Final = "only the metric tells of it: its Event has expired"

AT_ONCE: Final = 100
"""Decisions of one kind on one route that are shown between two values; a loop takes a few. What
says that it counted a million of them is no counter of ours."""

SCRAPED: Final = timedelta(minutes=1)
"""Longest until a counter is scraped."""

_TRANSITION: Final = re.compile(r"\((\w+), decision \w+\)$")
"""End of an Event's note; see `decision_notes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """One decision on a rule of a route."""

    at: datetime
    """When, UTC; of one that only the counter tells of, up to a step late."""
    namespace: str
    route: str
    transition: str
    """Of the state machine, such as T1; empty where an Event does not say."""
    reason: str
    """Such as TrafficShifted; docs/events.md lists them."""
    alarming: bool
    note: str
    """The Event's sentence, with rule, numbers and limit."""
    told: bool
    """False: only the counter tells of it."""


def told(events: Iterable[Body]) -> tuple[DecisionView, ...]:
    """Return the decisions that Events (core/v1) tell of, oldest first."""
    found = [
        DecisionView(
            at=at,
            namespace=about.get("namespace", ""),
            route=about.get("name", ""),
            transition=_transition(event.get("message", "")),
            reason=event.get("reason", ""),
            alarming=event.get("type") == "Warning",
            note=event.get("message", ""),
            told=True,
        )
        for event in events
        if event.get("action") == ACTION
        and (about := event.get("involvedObject", {})).get("kind") == ROUTE
        and (at := _time(event)) is not None
    ]
    return tuple(sorted(found, key=_order))


def counted(
    series: Iterable[tuple[Mapping[str, str], Sequence[Point]]],
) -> tuple[DecisionView, ...]:
    """Return the decisions that `tokenfleet_decisions_total` tells of, oldest first.

    Args:
        series: labels `namespace`, `route`, `transition`, and the counter's values over time. A
            series that begins above zero after the others is a first decision; a fall is a restart.
    """
    finite = ((labels, [p for p in points if math.isfinite(p[1])]) for labels, points in series)
    known = [(labels, points) for labels, points in finite if points]
    begun = min((points[0][0] for _, points in known), default=0.0)
    found: list[DecisionView] = []
    for labels, points in known:
        before = 0.0 if points[0][0] > begun else points[0][1]
        for seconds, value in points:
            grown = value - before if value >= before else value
            found += [_counted(labels, seconds)] * min(round(grown), AT_ONCE)
            before = value
    return tuple(sorted(found, key=_order))


def together(
    events: Iterable[DecisionView], counts: Iterable[DecisionView], step: timedelta
) -> tuple[DecisionView, ...]:
    """Return every decision once, oldest first; an Event speaks for the count that it explains.

    Args:
        events: decisions that Events tell of.
        counts: decisions that the counter tells of.
        step: between two values of the counter, and how late it may be.
    """
    spoken = list(events)
    free = list(spoken)
    silent: list[DecisionView] = []
    for count in counts:
        mine = next((event for event in free if _same(event, count, step)), None)
        if mine is None:
            silent.append(count)
        else:
            free.remove(mine)
    return tuple(sorted([*spoken, *silent], key=_order))


def _same(event: DecisionView, count: DecisionView, step: timedelta) -> bool:
    mine, other = ((d.namespace, d.route, d.transition) for d in (event, count))
    return mine == other and -step <= count.at - event.at <= 2 * step + SCRAPED


def _transition(note: str) -> str:
    found = _TRANSITION.search(note)
    return found[1] if found else ""


def _counted(labels: Mapping[str, str], seconds: float) -> DecisionView:
    transition = labels.get("transition", "")
    reason = REASONS.get(transition, transition)
    return DecisionView(
        at=datetime.fromtimestamp(seconds, tz=UTC),
        namespace=labels.get("namespace", ""),
        route=labels.get("route", ""),
        transition=transition,
        reason=reason,
        alarming=reason in ALARMING,
        note=COUNTED,
        told=False,
    )


def _time(event: Body) -> datetime | None:
    text = event.get("eventTime") or event.get("metadata", {}).get("creationTimestamp")
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _order(one: DecisionView) -> tuple[datetime, str, str, str]:
    return (one.at, one.namespace, one.route, one.note)
