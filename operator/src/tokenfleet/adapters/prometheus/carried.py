"""Rows of routes that routers of other namespaces carry: counted where the routes are.

A router calls such routes and pools `namespace/name`, and Prometheus says in `namespace` where the
router's pod is. What one route has on several routers is one number: the objective's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tokenfleet.domain.routing.naming import place_of
from tokenfleet.ports import Sample

Labels = Mapping[str, str]


@dataclass(slots=True)
class _Sum:
    """Rows of one place that come from routers of different namespaces."""

    labels: Labels
    parts: dict[str, list[Sample]] = field(default_factory=dict)
    """Namespace of the routers -> rows."""

    def rows(self) -> list[Sample]:
        found = [row for part in self.parts.values() for row in part]
        values = [{row.value for row in part} for part in self.parts.values()]
        if any(len(value) > 1 for value in values):
            # They contradict each other, and whoever reads them must see it.
            return [row._replace(labels=self.labels) for row in found]
        total = sum(value.pop() for value in values)
        return [found[0]._replace(labels=self.labels, value=total)]


def at_home(rows: Iterable[Sample]) -> list[Sample]:
    """Return the rows with `namespace`, `route` and `pool` as in the route's own namespace."""
    rows = list(rows)
    if not any(_is_abroad(row.labels) for row in rows):
        return rows
    sums: dict[frozenset[tuple[str, str]], _Sum] = {}
    for row in rows:
        labels = _placed(row.labels)
        place = sums.setdefault(frozenset(labels.items()), _Sum(labels))
        place.parts.setdefault(row.labels.get("namespace", ""), []).append(row)
    return [row for place in sums.values() for row in place.rows()]


def _is_abroad(labels: Labels) -> bool:
    return "/" in labels.get("route", "")


def _placed(labels: Labels) -> Labels:
    if not _is_abroad(labels):
        return labels
    home = labels.get("namespace", "")
    namespace, route = place_of(labels["route"], at=home)
    placed = {**labels, "namespace": namespace, "route": route}
    if "pool" in labels:
        placed["pool"] = place_of(labels["pool"], at=home).name
    return placed
