"""Observes one ModelRouter: its routes, their pools and objectives, and its replicas' agents."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from tokenfleet.api.conditions import PROGRAMMED
from tokenfleet.domain.fleet.conditions import PENDING
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.plan import Plan
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.replicas import Replica, acknowledged, agent_address, replica
from tokenfleet.domain.fleet.router_config import config_key
from tokenfleet.domain.fleet.router_snapshot import RouterPlan, RouterSnapshot
from tokenfleet.domain.fleet.router_status import ACK_PATIENCE
from tokenfleet.domain.fleet.router_visit import plan_router
from tokenfleet.domain.fleet.sidecars import is_carried
from tokenfleet.domain.slo.observation.measurement import Measurement
from tokenfleet.ports import Acknowledgement, Body, Clock, PortError, RefusedError, RouterFleet
from tokenfleet.reconcilers.elsewhere import elsewhere
from tokenfleet.reconcilers.pool_visitor import children_of
from tokenfleet.reconcilers.references import referred, used_services
from tokenfleet.reconcilers.replicas import Replicas
from tokenfleet.reconcilers.services import Services
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.telemetry import Telemetry
from tokenfleet.reconcilers.views import Views
from tokenfleet.reconcilers.visits import Done

ASK_AGAIN: Final = timedelta(seconds=30)
"""Age at which an answer that says all is well is asked for again."""


@dataclass(slots=True)
class _Progress:
    """How far the newest revision of one router has come, as seen by this process."""

    revision: int = 0
    changed_at: datetime | None = None
    acknowledged_at: datetime | None = None
    missing_since: datetime | None = None
    """Since when there is no `<router>-config`."""
    unstored_since: datetime | None = None
    """Since when `<router>-config` cannot be written."""
    counted: set[str] = field(default_factory=set)
    """Identifiers of the stored notes whose decisions have been counted."""
    told: set[str] = field(default_factory=set)
    """Identifiers of the stored notes that have been told."""
    answers: dict[str, tuple[Acknowledgement, datetime]] = field(default_factory=dict)
    """Pod uid -> its agent's last answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterVisitor:
    """Gathers what a router's plan depends on."""

    store: Store
    replicas: Replicas
    services: Services
    agents: RouterFleet
    views: Views
    clock: Clock
    telemetry: Telemetry
    measurement: Callable[[], Measurement | None]
    """Returns the newest measurement."""
    platform: Callable[[], Platform]
    """Returns what the cluster is like."""
    image: str
    shifting: bool
    progress: dict[ObjectKey, _Progress] = field(default_factory=dict)

    async def plan(self, owner: Body) -> RouterPlan:
        """Observe and plan."""
        key = key_of(owner)
        stored = self.store.get(config_key(key.namespace, key.name))
        pods = self.replicas.of(owner)
        progress = self.progress.setdefault(key, _Progress())
        revision = owner.get("status", {}).get("configRevision", 0)
        revision = max(revision, progress.revision)
        missing = progress.missing_since or self.clock.now()
        progress.missing_since = missing if stored is None else None
        replicas = await self._replicas(pods, revision, progress)
        if progress.acknowledged_at is None and acknowledged(replicas, revision).everywhere:
            progress.acknowledged_at = self.clock.now()
        await self.services.know(sorted(used_services(self.store, key, stored)))
        found, carried = referred(self.store, key, stored), is_carried(owner)
        seen = RouterSnapshot(
            body=owner,
            stored=stored,
            # Any pod may carry a label: what such a pod holds is no record of anything.
            copies=await self._copies(key, pods) if stored is None and not carried else (),
            missing_since=None if carried else progress.missing_since,
            elsewhere=elsewhere(self.store, key, stored, found.routes),
            routes=found.routes,
            pools=found.pools,
            services=found.services,
            loops=found.loops,
            slices=found.slices,
            slos=found.slos,
            children=children_of(self.store, owner),
            replicas=replicas,
            pods=() if carried else pods,
            changed_at=progress.changed_at,
            acknowledged_at=progress.acknowledged_at,
            measurement=self.measurement(),
            image=self.image,
            platform=self.platform(),
            shifting=self.shifting,
            told=frozenset(progress.told),
            now=self.clock.now(),
        )
        return replace(plan_router(seen), unstored=partial(self._unstored, seen, progress))

    def _unstored(self, seen: RouterSnapshot, progress: _Progress, error: Exception) -> RouterPlan:
        """Plan from the same look what is true without the new configuration."""
        since = progress.unstored_since = progress.unstored_since or seen.now
        reason = "ConfigNotStored" if seen.now - since >= ACK_PATIENCE else PENDING
        problem = Problem(
            condition=PROGRAMMED,
            reason="ConfigRefused" if isinstance(error, RefusedError) else reason,
            message=f"the new configuration is not stored: {error}; the last one stays in force",
        )
        return plan_router(replace(seen, unstored=problem))

    async def applied(self, owner: Body, plan: Plan, done: Done) -> None:
        """Note the revision that is stored, and let routes and objectives know."""
        assert isinstance(plan, RouterPlan)
        key = key_of(owner)
        progress = self.progress.setdefault(key, _Progress())
        if plan.revision != progress.revision:
            # A first look finds a revision of any age; every later one sees it change.
            seen_to_change = plan.replace is not None or progress.revision > 0
            progress.changed_at = self.clock.now() if seen_to_change else None
            progress.revision = plan.revision
            progress.acknowledged_at = None
        if plan.unstored is not None:
            progress.unstored_since = None
        waiting = {note.id: note for note in plan.untold}
        for note in (note for id_, note in waiting.items() if id_ not in progress.counted):
            about = note.about or key
            for transition in note.transitions:
                self.telemetry.decided(about.namespace, about.name, transition)
        progress.counted = set(waiting)
        progress.told = (progress.told | done.told) & waiting.keys()
        self.views.publish(key, plan.view)

    async def gone(self, key: ObjectKey) -> None:
        """Let its routes know."""
        self.progress.pop(key, None)
        self.replicas.forget(key)
        self.views.publish(key, None)

    async def _replicas(
        self, pods: tuple[Body, ...], revision: int, progress: _Progress
    ) -> tuple[Replica, ...]:
        live = {pod["metadata"]["uid"] for pod in pods}
        for uid in progress.answers.keys() - live:
            del progress.answers[uid]
        return tuple(
            await asyncio.gather(*(self._replica(pod, revision, progress) for pod in pods))
        )

    async def _replica(self, pod: Body, revision: int, progress: _Progress) -> Replica:
        seen, address = replica(pod), agent_address(pod)
        if address is None:
            return seen
        uid, now = pod["metadata"]["uid"], self.clock.now()
        answer, at = progress.answers.get(uid, (None, now))
        well = answer is not None and answer.applied_revision >= revision
        if answer is None or not well or answer.credentials or now - at > ASK_AGAIN:
            try:
                answer = await self.agents.acknowledgement(address)
            except PortError:
                progress.answers.pop(uid, None)
                return seen
            progress.answers[uid] = (answer, now)
        return replace(
            seen,
            applied=answer.applied_revision,
            version=answer.version,
            error=answer.error,
            credentials=answer.credentials,
        )

    async def _copies(
        self, router: ObjectKey, pods: tuple[Body, ...]
    ) -> tuple[Mapping[str, str], ...]:
        """Read the configuration back from every replica that still has it."""
        addresses = [address for pod in pods if (address := agent_address(pod)) is not None]
        answers = await asyncio.gather(
            *(self.agents.configuration(address, router) for address in addresses),
            return_exceptions=True,
        )
        return tuple(answer for answer in answers if isinstance(answer, Mapping))
