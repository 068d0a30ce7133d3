"""The visit of a ServingPool: its workload, and what is seen of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tokenfleet.api.conditions import ACCEPTED, AVAILABLE, PROGRESSING, READY, Condition
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.conditions import condition, judged, merged, summary
from tokenfleet.domain.fleet.endpoints import ready_endpoints
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.plan import Deletion, Plan
from tokenfleet.domain.fleet.platform import PLAIN, Platform
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.troubles import troubles, with_troubles
from tokenfleet.domain.pools.status import PoolStatus, status
from tokenfleet.domain.pools.workloads import workload

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSnapshot:
    """What is seen of one pool at one instant."""

    body: Body
    children: tuple[Body, ...]
    """Objects that this pool owns."""
    service: Body | None
    """The Service whose endpoints are the replicas."""
    slices: tuple[Body, ...]
    """EndpointSlices of that Service."""
    pods: tuple[Body, ...] = ()
    """Pods of a managed pool."""
    platform: Platform = PLAIN
    """What the cluster is like."""
    now: datetime


def plan_pool(seen: PoolSnapshot) -> Plan:
    """Plan one pool."""
    pool = parsed(ServingPool, seen.body)
    if isinstance(pool, Problem):
        return Plan(status=_status(seen, PoolStatus(conditions=_refused(pool))))
    if pool.spec.existing is not None:
        return Plan(status=_status(seen, _existing(pool, seen)))
    wanted = workload(pool, seen.platform)
    deployment = next((c for c in seen.children if c["kind"] == "Deployment"), None)
    return Plan(
        applies=tuple(wanted.objects),
        deletes=unwanted(seen.children, wanted.objects),
        status=_status(seen, _with_troubles(status(pool, deployment, wanted.problems), seen)),
    )


def unwanted(
    children: Sequence[Body], wanted: Sequence[Body], *, keep: frozenset[ObjectKey] = frozenset()
) -> tuple[Deletion, ...]:
    """Return children to delete: owned, and neither wanted nor kept.

    Where nothing is wanted, nothing is deleted: then the spec was refused, and what runs goes on.
    """
    if not wanted:
        return ()
    namespace = children[0]["metadata"]["namespace"] if children else ""
    named = {ObjectKey(w["kind"], namespace, w["metadata"]["name"]) for w in wanted} | keep
    return tuple(
        Deletion(key=key_of(child), uid=child["metadata"]["uid"])
        for child in children
        if key_of(child) not in named and not child["metadata"].get("deletionTimestamp")
    )


def _with_troubles(found: PoolStatus, seen: PoolSnapshot) -> PoolStatus:
    if found.ready_replicas:
        return found
    return replace(found, conditions=with_troubles(found.conditions, troubles(seen.pods)))


def _refused(problem: Problem) -> tuple[Condition, ...]:
    return (
        judged(ACCEPTED, [problem], reason="Accepted"),
        condition(AVAILABLE, "Unknown", reason=problem.reason, message="the spec is not accepted"),
    )


def _existing(pool: ServingPool, seen: PoolSnapshot) -> PoolStatus:
    """Judge a pool that somebody else deploys, by its Service and EndpointSlices."""
    assert pool.spec.existing is not None
    reference = pool.spec.existing.service_ref
    problems = []
    ports = [p["port"] for p in seen.service["spec"].get("ports", ())] if seen.service else []
    if seen.service is None:
        problems.append(
            Problem(
                condition=ACCEPTED,
                reason="ServiceNotFound",
                message=f"Service {reference.name} does not exist in namespace"
                f" {pool.metadata.namespace}; create it or correct existing.serviceRef.name",
            )
        )
    elif reference.port not in ports:
        known = ", ".join(str(port) for port in ports) or "none"
        problems.append(
            Problem(
                condition=ACCEPTED,
                reason="PortNotFound",
                message=f"Service {reference.name} has no port {reference.port}, only {known};"
                " correct existing.serviceRef.port",
            )
        )
    ready = ready_endpoints(seen.slices)
    available = condition(
        AVAILABLE,
        status=ready > 0,
        reason="ReplicasReady" if ready else "NoReadyReplica",
        message=f"{ready} endpoints of Service {reference.name} are ready",
    )
    progressing = condition(
        PROGRESSING, status=False, reason="NotManaged", message="somebody else deploys this pool"
    )
    accepted = judged(ACCEPTED, problems, reason="Accepted")
    return PoolStatus(
        conditions=(accepted, available, progressing), replicas=ready, ready_replicas=ready
    )


def _status(seen: PoolSnapshot, found: PoolStatus) -> dict[str, Any]:
    metadata = seen.body["metadata"]
    generation = metadata.get("generation", 0)
    fresh = list(found.conditions)
    if not any(item.type == READY for item in fresh):
        text = f"{found.ready_replicas} of {found.replicas} replicas serve"
        fresh.append(summary(fresh, (ACCEPTED, AVAILABLE), message=text))
    previous = seen.body.get("status", {}).get("conditions", ())
    status = {
        "observedGeneration": generation,
        "replicas": found.replicas,
        "readyReplicas": found.ready_replicas,
        "conditions": merged(previous, fresh, generation=generation, now=seen.now),
    }
    if found.selector:
        status["selector"] = found.selector
    return status
