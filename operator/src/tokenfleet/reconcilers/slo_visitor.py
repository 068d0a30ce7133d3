"""Observes one TokenSLO: its route, and what the route's router found out about it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tokenfleet.domain.fleet.affected import references
from tokenfleet.domain.fleet.aims import resolves
from tokenfleet.domain.fleet.keys import ROUTE, SLO, ObjectKey, key_of
from tokenfleet.domain.fleet.plan import Plan
from tokenfleet.domain.fleet.route_status import router_of
from tokenfleet.domain.fleet.slo_pace import Pace
from tokenfleet.domain.fleet.slo_status import SloSnapshot, plan_slo
from tokenfleet.domain.fleet.steering import promises_of
from tokenfleet.domain.routing.naming import local_name
from tokenfleet.domain.slo.objectives.error_budget import Budget
from tokenfleet.domain.slo.objectives.spec import Level, LevelObjective
from tokenfleet.domain.slo.reporting.views import SLOView
from tokenfleet.domain.spending.burners import UserBurner, user_burners
from tokenfleet.domain.spending.prices import Place
from tokenfleet.domain.spending.summary import Summary
from tokenfleet.ports import Body, Clock
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.views import Views
from tokenfleet.reconcilers.visits import Done


@dataclass(frozen=True, slots=True, kw_only=True)
class SloVisitor:
    """Gathers what an objective's status depends on."""

    store: Store
    views: Views
    clock: Clock
    budgets: Callable[[], Mapping[str, Budget]]
    """Returns `namespace/name` -> what is left of an objective's error budget."""
    paths: Callable[[], Mapping[str, SLOView]]
    """Returns `namespace/name` -> view, for objectives about the share of a path."""
    users: Callable[[ObjectKey], Iterable[Mapping[Place, Summary]]]
    """Returns what users of a router spent, one item for each hour."""
    pace: Pace | None = None
    """How often is looked and scraped; None: not known."""
    written: dict[ObjectKey, datetime] = field(default_factory=dict)
    """When this process last wrote each status, or first saw one that may stay as it is."""

    async def plan(self, owner: Body) -> Plan:
        """Observe and plan."""
        key = key_of(owner)
        route = self.store.get(next(iter(references(owner)), ObjectKey(ROUTE, "", "")))
        parents = route["spec"]["parentRefs"] if route is not None else ()
        routers = [router_of(parent, owner) for parent in parents]
        views = [self.views.slo(router, key) for router in routers]
        if not resolves(owner, route):
            # Its router goes on judging it by what it was about before.
            views.append(self.views.judged(key))
        views.append(self.paths().get(f"{key.namespace}/{key.name}"))
        return plan_slo(
            SloSnapshot(
                body=owner,
                route=route,
                view=next((view for view in views if view is not None), None),
                routed=any(self.store.get(router) is not None for router in routers),
                budget=self.budgets().get(f"{key.namespace}/{key.name}"),
                users=self._users(owner, routers),
                pace=self.pace,
                written_at=self.written.get(key),
                now=self.clock.now(),
            )
        )

    def _users(self, owner: Body, routers: Sequence[ObjectKey]) -> tuple[UserBurner, ...]:
        """Return who spends most of the objective's money, on all routers of its route."""
        promise = next(iter(promises_of([owner])), None)
        if not isinstance(promise, LevelObjective) or promise.level is Level.CACHE:
            return ()
        found = [
            (local_name(promise.namespace, promise.route, at=router.namespace), hour)
            for router in routers
            for hour in self.users(router)
        ]
        return user_burners(promise, found)

    async def applied(self, owner: Body, plan: Plan, done: Done) -> None:
        """Note when the status was written; what another process wrote is as old as our start."""
        if plan.requeue_after is not None:
            self.written.setdefault(key_of(owner), self.clock.now())
        elif done.status and plan.status != owner.get("status"):
            self.written[key_of(owner)] = self.clock.now()

    async def gone(self, key: ObjectKey) -> None:
        """Forget when its status was written, and let the router judge without it."""
        self.written.pop(ObjectKey(SLO, key.namespace, key.name), None)
