"""What the console shows, read when somebody looks: the fleet's objects, and a route's past.

It asks the API server itself and not the store, so that every replica can serve the page, whether
it leads or not. However many people look, the fleet is read once in `FRESH`.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tokenfleet.api.names import is_dns_label
from tokenfleet.domain.console.decisions import DecisionView, together, told
from tokenfleet.domain.console.documents import fleet_document, timeline_document
from tokenfleet.domain.console.fleet_view import fleet_view
from tokenfleet.domain.console.timeline import Timeline, step_of
from tokenfleet.ports import Clock, Cluster, PortError, RefusedError
from tokenfleet.reconcilers.resources import EVENTS, POOLS, ROUTERS, ROUTES, SLOS

FRESH: Final = timedelta(seconds=5)
"""How long a reading is shown again; pages ask every 10 s."""

LONGEST: Final = timedelta(days=31)
"""Longest span of a timeline."""

UNMEASURED: Final = (
    "The operator knows no Prometheus (chart value prometheus.url): shares and times of the past"
    " are not known, and decisions are those that Events still tell of."
)


class Past(Protocol):
    """What a Prometheus remembers of routes."""

    async def timeline(
        self, namespace: str, route: str, *, start: datetime, end: datetime
    ) -> Timeline:
        """Return a route's lines; raises ValueError for what is no name, and PortError."""
        ...

    async def decisions(
        self, namespace: str, route: str, *, start: datetime, end: datetime
    ) -> tuple[DecisionView, ...]:
        """Return the decisions that were counted; raises as `timeline` does."""
        ...


class ConsoleReader:
    """Reads for the console."""

    def __init__(self, cluster: Cluster, clock: Clock, past: Past | None) -> None:
        """Read nothing before somebody looks; `past` is None where there is no Prometheus."""
        self._cluster, self._clock, self._past = cluster, clock, past
        self._lock = asyncio.Lock()
        self._fleet: dict[str, Any] = {}
        self._read_at: datetime | None = None

    async def fleet(self) -> dict[str, Any]:
        """Return the fleet as a document.

        Raises:
            PortError: the API server does not answer, or refuses.
        """
        async with self._lock:
            now = self._clock.now()
            if self._read_at is None or now - self._read_at >= FRESH:
                routers, routes, pools, slos = await asyncio.gather(
                    *(self._cluster.list(kind) for kind in (ROUTERS, ROUTES, POOLS, SLOS))
                )
                view = fleet_view(routers=routers, routes=routes, pools=pools, objectives=slos)
                self._fleet, self._read_at = fleet_document(view, now), now
            return self._fleet

    async def timeline(self, namespace: str, route: str, last: timedelta) -> dict[str, Any]:
        """Return a route's past as a document.

        Raises:
            ValueError: a name is none, or the span is not one from a minute to `LONGEST`.
            PortError: the API server or Prometheus does not answer, or refuses.
        """
        for what, name in (("namespace", namespace), ("route", route)):
            # It gets into a query, and into a path of the API server.
            if not is_dns_label(name):
                msg = f"{name[:80]!r} is no name of a {what}"
                raise ValueError(msg)
        if not timedelta(minutes=1) <= last <= LONGEST:
            msg = f"last must be from 1m to {LONGEST.days * 24}h"
            raise ValueError(msg)
        end = self._clock.now().replace(microsecond=0)
        start = end - last
        lines, counts, note = Timeline(), tuple[DecisionView, ...](), UNMEASURED
        if self._past is not None:
            lines, counts = await asyncio.gather(
                self._past.timeline(namespace, route, start=start, end=end),
                self._past.decisions(namespace, route, start=start, end=end),
            )
            note = ""
        spoken = await self._told(namespace, route, start)
        found = together(spoken, counts, step_of(last))
        return timeline_document(lines, found, start=start, end=end, note=note)

    async def _told(self, namespace: str, route: str, start: datetime) -> list[DecisionView]:
        found: list[DecisionView] = []
        try:
            async for page in self._cluster.pages(EVENTS, namespace=namespace):
                found += [one for one in told(page) if one.route == route and one.at >= start]
        except RefusedError:
            # Without the right to list Events the counter still tells.
            return []
        except PortError:
            if self._past is None:
                raise
        return sorted(found, key=lambda one: one.at)
