"""What the stages of routes with a latency budget take, measured beside the tick."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.domain.fleet.keys import ROUTE, ObjectKey
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.slo.objectives.latency_stages import Stage, Took, of_route, stages
from tokenfleet.reconcilers.renewed import EVERY, Renewed
from tokenfleet.reconcilers.store import Store

YOUNG: Final = timedelta(minutes=10)
"""Whoever has just written a budget looks at what comes of it."""

WHILE_YOUNG: Final = timedelta(minutes=1)
"""Between two questions while there is a young route with a budget."""

AskTook = Callable[[datetime], Awaitable[Took]]
"""Asks what stages took in the last hour; see `adapters.prometheus.latency_stages`."""


@dataclass(slots=True, kw_only=True)
class LatencyStages:
    """Asks every few minutes where any route has a budget, and remembers the answer for a while."""

    store: Store
    ask: AskTook | None
    """None: there is no Prometheus to ask."""
    wake: Callable[[ObjectKey], None]
    _took: Renewed[Took] = field(default_factory=Renewed)
    _stages: dict[tuple[str, str], tuple[Stage, ...]] = field(default_factory=dict)

    async def look(self, at: datetime) -> None:
        """Ask if it is time, and wake the routes that a change concerns.

        Raises:
            PortError: the store failed.
        """
        ask, routes = self.ask, list(self._routes())
        try:
            if ask is not None and routes and self._took.due(at, every=_pace(routes, at)):
                await self._took.ask(at, lambda: ask(at))
        finally:
            self._judge(routes)

    def of(self, namespace: str, route: str) -> tuple[Stage, ...]:
        """Return the stages of a route's budget; empty where it has none."""
        return self._stages.get((namespace, route), ())

    def all(self) -> dict[tuple[str, str], tuple[Stage, ...]]:
        """Return (namespace, route) -> stages, for every route with a budget."""
        return dict(self._stages)

    def _routes(self) -> Iterator[ModelRoute]:
        for body in self.store.all(ROUTE):
            if "latencyBudget" in body.get("spec", {}):
                route = parsed(ModelRoute, body)
                if isinstance(route, ModelRoute):
                    yield route

    def _judge(self, routes: list[ModelRoute]) -> None:
        took, before = self._took.answer or {}, self._stages
        self._stages = {
            (route.metadata.namespace, route.metadata.name): stages(
                route.spec.latency_budget,
                of_route(took, route.metadata.namespace, route.metadata.name),
            )
            for route in routes
            if route.spec.latency_budget is not None
        }
        for place in sorted(before.keys() | self._stages.keys()):
            if before.get(place) != self._stages.get(place):
                self.wake(ObjectKey(ROUTE, *place))


def _pace(routes: list[ModelRoute], at: datetime) -> timedelta:
    made = (route.metadata.creation_timestamp for route in routes)
    young = any(when is not None and at - when < YOUNG for when in made)
    return WHILE_YOUNG if young else EVERY
