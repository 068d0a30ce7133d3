"""Observes one ModelRoute: its routers, and what they found out about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.plan import Plan
from tokenfleet.domain.fleet.route_status import RouteSnapshot, plan_route, router_of
from tokenfleet.domain.routing.naming import local_name
from tokenfleet.domain.slo.objectives.latency_stages import Stage
from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.ports import Body, Clock
from tokenfleet.reconcilers.pool_visitor import children_of
from tokenfleet.reconcilers.references import takes
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.views import Views
from tokenfleet.reconcilers.visits import Done


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteVisitor:
    """Gathers what a route's status depends on."""

    store: Store
    views: Views
    clock: Clock
    measured: Callable[[], Mapping[RuleKey, float]]
    """Returns rule -> its part of its route's requests in the last hour."""
    stages: Callable[[str, str], tuple[Stage, ...]]
    """Returns the stages of a route's latency budget, by namespace and name."""

    async def plan(self, owner: Body) -> Plan:
        """Observe and plan."""
        key = key_of(owner)
        routers = [router_of(parent, owner) for parent in owner["spec"]["parentRefs"]]
        known = {key: body for key in routers if (body := self.store.get(key)) is not None}
        taken = {one: body for one, body in known.items() if takes(self.store, body, key)}
        missing = [router for router in routers if router not in known]

        def words(router: ObjectKey) -> str:
            return local_name(router.namespace, router.name, at=key.namespace)

        kept = self.views.carriers(key) if missing else {}
        return plan_route(
            RouteSnapshot(
                body=owner,
                measured={
                    rule.rule: part
                    for rule, part in self.measured().items()
                    if rule[:2] == (key.namespace, key.name)
                },
                views={words(router): self.views.route(router, key) for router in taken},
                kept={words(router): view for router, view in kept.items()},
                missing=tuple(map(words, missing)),
                refusing=tuple(words(router) for router in known if router not in taken),
                guests=tuple(b for one, b in taken.items() if one.namespace != key.namespace),
                children=children_of(self.store, owner),
                stages=self.stages(key.namespace, key.name),
                now=self.clock.now(),
            )
        )

    async def applied(self, owner: Body, plan: Plan, done: Done) -> None:
        """Do nothing more."""

    async def gone(self, key: ObjectKey) -> None:
        """Do nothing: the router's visit drops the route."""
