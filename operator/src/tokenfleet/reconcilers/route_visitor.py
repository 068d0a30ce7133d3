"""Observes one ModelRoute: the views of its routers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey, key_of
from tokenfleet.domain.fleet.plan import Plan
from tokenfleet.domain.fleet.route_status import RouteSnapshot, plan_route
from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.ports import Body, Clock
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

    async def plan(self, owner: Body) -> Plan:
        """Observe and plan."""
        key = key_of(owner)
        routers = [
            ObjectKey(ROUTER, key.namespace, parent["name"])
            for parent in owner["spec"]["parentRefs"]
        ]
        known = [router for router in routers if self.store.get(router) is not None]
        missing = tuple(router.name for router in routers if router not in known)
        views = {router.name: self.views.route(router, key.name) for router in known}
        return plan_route(
            RouteSnapshot(
                body=owner,
                views=views,
                kept=self.views.carriers(key.namespace, key.name) if missing else {},
                missing=missing,
                measured={
                    rule.rule: part
                    for rule, part in self.measured().items()
                    if rule[:2] == (key.namespace, key.name)
                },
                now=self.clock.now(),
            )
        )

    async def applied(self, owner: Body, plan: Plan, done: Done) -> None:
        """Do nothing more."""

    async def gone(self, key: ObjectKey) -> None:
        """Do nothing: the router's visit drops the route."""
