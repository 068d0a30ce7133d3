"""What the console's page reads, as JSON: times in seconds since 1970, everything else as it is."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from tokenfleet.domain.console.decisions import DecisionView
from tokenfleet.domain.console.fleet_view import FleetView, troubles
from tokenfleet.domain.console.timeline import Timeline, step_of


def fleet_document(view: FleetView, at: datetime) -> dict[str, Any]:
    """Return the fleet, and what somebody should look at."""
    return {**asdict(view), "troubles": troubles(view), "at": at.timestamp()}


def timeline_document(
    timeline: Timeline,
    decisions: Iterable[DecisionView],
    *,
    start: datetime,
    end: datetime,
    note: str,
) -> dict[str, Any]:
    """Return a route over a span.

    Args:
        timeline: its lines.
        decisions: its decisions, oldest first.
        start: of the span.
        end: of the span.
        note: why lines are missing; empty where none are.
    """
    span = {
        "start": start.timestamp(),
        "end": end.timestamp(),
        "step": step_of(end - start) / timedelta(seconds=1),
    }
    told = [{**asdict(one), "at": one.at.timestamp()} for one in decisions]
    return {"span": span, "lines": asdict(timeline), "decisions": told, "note": note}
