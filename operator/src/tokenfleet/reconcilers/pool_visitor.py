"""Observes one ServingPool."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tokenfleet.domain.fleet.affected import references, service_of
from tokenfleet.domain.fleet.keys import INFERENCE_POOL, ObjectKey, key_of
from tokenfleet.domain.fleet.loops import way_back
from tokenfleet.domain.fleet.ownership import controls
from tokenfleet.domain.fleet.plan import Plan
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.fleet.pool_visit import PoolSnapshot, plan_pool
from tokenfleet.domain.pools.acceptance import Place
from tokenfleet.ports import Body, Clock
from tokenfleet.reconcilers.services import Services
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.views import Views
from tokenfleet.reconcilers.visits import Done


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolVisitor:
    """Gathers what a pool's plan depends on."""

    store: Store
    services: Services
    views: Views
    clock: Clock
    platform: Callable[[], Platform]
    """Returns what the cluster is like."""
    acceptances: Callable[[], Mapping[Place, float]]
    """Returns what speculation is worth."""

    async def plan(self, owner: Body) -> Plan:
        """Observe and plan."""
        service = service_of(owner)
        followed = (key for key in references(owner) if key.kind == INFERENCE_POOL)
        await self.services.know((service,))
        return plan_pool(
            PoolSnapshot(
                body=owner,
                children=children_of(self.store, owner),
                service=self.store.get(service),
                slices=self.store.referring_bodies(service, "EndpointSlice"),
                inference_pool=next(filter(None, map(self.store.get, followed)), None),
                loop=way_back(owner, self.store),
                pods=self.store.referring_bodies(key_of(owner), "Pod"),
                platform=self.platform(),
                keyless=self.views.keyless(key_of(owner)),
                acceptance=self.acceptances().get((key_of(owner).namespace, key_of(owner).name)),
                now=self.clock.now(),
            )
        )

    async def applied(self, owner: Body, plan: Plan, done: Done) -> None:
        """Do nothing more."""

    async def gone(self, key: ObjectKey) -> None:
        """Do nothing: owner references collect the children."""


def children_of(store: Store, owner: Body) -> tuple[Body, ...]:
    """Return the objects that this very owner controls."""
    bodies = [store.get(key) for key in sorted(store.referring(key_of(owner)))]
    return tuple(body for body in bodies if body is not None and controls(owner, body))
