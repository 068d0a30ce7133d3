"""What label sets used in a span of time, a piece of it with each query.

A query over weeks reads every sample of every series at once; pieces of `PIECE` keep each one as
cheap as a dashboard's. Their sums are the whole.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from tokenfleet.adapters.prometheus.queries import USAGE
from tokenfleet.adapters.prometheus.rows import sound
from tokenfleet.domain.slo.observation.measurement import Usage
from tokenfleet.domain.spending.prices import Place
from tokenfleet.ports import MetricSource

PIECE: Final = timedelta(hours=6)
READY: Final = "tokenfleet_pool_ready_replicas"
"""The operator's gauge; what replicas cost by the hour is seen by it."""


class Piece(NamedTuple):
    """One piece of the span."""

    hours: float
    used: Mapping[Place, Usage]
    ready: Mapping[str, float]
    """Pool -> ready replicas, the mean; pools that nobody told of are absent."""


async def pieces(
    source: MetricSource, namespace: str, *, start: datetime, end: datetime
) -> list[Piece]:
    """Ask for everything that routes of a namespace used from `start` to `end`, oldest first.

    Raises:
        PortError: the store failed.
    """
    found = []
    for first, last in _cut(start, end):
        span = last - first
        rows = await source.query(usage_query(namespace, span), at=last)
        kinds: dict[Place, dict[str, float]] = {}
        for row in rows:
            if row.labels.get("namespace") != namespace:
                continue  # a guest of this namespace's routers
            place = Place(*(row.labels.get(label, "") for label in Place._fields))
            kind = row.labels.get("kind", "")
            if place.pool and kind in Usage._fields and sound(row.value):
                kinds.setdefault(place, {})[kind] = row.value
        ready = await source.query(ready_query(namespace, span), at=last)
        found.append(
            Piece(
                hours=span / timedelta(hours=1),
                used={place: Usage(**values) for place, values in sorted(kinds.items())},
                ready={row.labels.get("pool", ""): row.value for row in ready if sound(row.value)},
            )
        )
    return found


def usage_query(namespace: str, span: timedelta) -> str:
    """Return the query for what was used, by label set; also on other namespaces' routers."""
    by = ", ".join(("namespace", *Place._fields))
    mine = (f'namespace="{namespace}"', f'route=~"{namespace}/.+"')
    return " or ".join(
        f"label_replace(sum by ({by}) (increase({_of(series, matcher)}[{_seconds(span)}])),"
        f' "kind", "{kind}", "", "")'
        for kind, series in USAGE.items()
        for matcher in mine
    )


def ready_query(namespace: str, span: timedelta) -> str:
    """Return the query for the mean of ready replicas, by pool."""
    mine = _of(READY, f'namespace="{namespace}"')
    return f"max by (pool) (avg_over_time({mine}[{_seconds(span)}]))"


def _of(series: str, matcher: str) -> str:
    name, _, matchers = series.partition("{")
    more = f",{matchers}" if matchers else "}"
    return f"{name}{{{matcher}{more}"


def _seconds(span: timedelta) -> str:
    return f"{max(1, round(span.total_seconds()))}s"


def _cut(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        last = min(end, start + PIECE)
        yield start, last
        start = last
