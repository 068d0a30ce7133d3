"""How many requests each rule took in an hour: one query, whatever the number of routes."""

from datetime import datetime
from typing import Final

from tokenfleet.adapters.prometheus.queries import LABELS, RULE, STARTED
from tokenfleet.adapters.prometheus.rows import rule_of, sound
from tokenfleet.domain.slo.objectives.path_share import WINDOW, Taken
from tokenfleet.ports import MetricSource

_SPAN: Final = f"{WINDOW.total_seconds():.0f}s"


def path_query(*, split: bool) -> str:
    """Return the query; `split`: by feature and request type, too."""
    by = ", ".join((*RULE, *(LABELS if split else ())))
    return f"sum by ({by}) (increase({STARTED}[{_SPAN}]))"


async def requests_taken(source: MetricSource, at: datetime, *, split: bool) -> tuple[Taken, ...]:
    """Ask what every rule took in the hour before an instant.

    Raises:
        PortError: the store failed.
    """
    rows = await source.query(path_query(split=split), at=at)
    return tuple(
        Taken(
            rule=key,
            feature=row.labels.get("feature", ""),
            request_type=row.labels.get("request_type", ""),
            requests=row.value,
        )
        for row in rows
        if (key := rule_of(row)) is not None and sound(row.value)
    )
