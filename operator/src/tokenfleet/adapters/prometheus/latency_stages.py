"""What the stages of routes took in an hour: one query, whatever the number of routes."""

from collections import defaultdict
from datetime import datetime
from typing import Final

from tokenfleet.adapters.prometheus.rows import number, sound
from tokenfleet.domain.routing.naming import place_of
from tokenfleet.domain.slo.objectives.latency_stages import Took
from tokenfleet.ports import MetricSource

STAGES: Final = "tokenfleet_stage_seconds_bucket"
"""Requests by what one stage of them took; of routes with a budget only."""

QUERY: Final = f"sum by (namespace, route, stage, le) (increase({STAGES}[3600s]))"


async def stages_took(source: MetricSource, at: datetime) -> Took:
    """Ask what every stage took in the hour before an instant.

    Raises:
        PortError: the store failed.
    """
    found: dict[tuple[str, str, str], dict[float, float]] = defaultdict(dict)
    for row in await source.query(QUERY, at=at):
        names = [row.labels.get(label, "") for label in ("namespace", "route", "stage")]
        boundary = number(row.labels.get("le", ""))
        if all(names) and boundary is not None and sound(row.value):
            namespace, route, stage = names
            steps = found[(*place_of(route, at=namespace), stage)]
            # `1` and `1.0` are the same boundary, as two replicas may write it.
            steps[boundary] = steps.get(boundary, 0.0) + row.value
    return {place: tuple(sorted(steps.items())) for place, steps in found.items()}
