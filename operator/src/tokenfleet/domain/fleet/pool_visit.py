"""The visit of a ServingPool: its workload, and what is seen of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tokenfleet.api.conditions import ACCEPTED, AVAILABLE, PROGRESSING, READY
from tokenfleet.api.conventions import PREFETCH_LABEL
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.api.v1alpha1.servingpool import InferencePoolReference, ServingPool
from tokenfleet.domain.fleet.conditions import condition, judged, merged, summary
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.outside_pool import Keyless, external_status, key_condition
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.plan import Deletion, Plan
from tokenfleet.domain.fleet.platform import PLAIN, Platform
from tokenfleet.domain.fleet.pool_service import pool_backing
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools.acceptance import shown
from tokenfleet.domain.pools.inference_pools import followed
from tokenfleet.domain.pools.leader_worker_sets import KIND, as_deployment
from tokenfleet.domain.pools.prefetch_progress import fetching
from tokenfleet.domain.pools.status import PoolStatus, status
from tokenfleet.domain.pools.workloads import Workload, workload
from tokenfleet.domain.routing.backing import Backing, Use, destination
from tokenfleet.domain.routing.slices import only_names, ready_replicas

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
    inference_pool: Body | None = None
    """The InferencePool that an Existing pool names; None where there is none."""
    loop: tuple[str, ...] = ()
    """Routers from the one behind an Existing pool's Service back to one that uses the pool."""
    pods: tuple[Body, ...] = ()
    """Pods of a managed pool, and of the Jobs that fill its cache."""
    platform: Platform = PLAIN
    """What the cluster is like."""
    keyless: Keyless | None = None
    """A router that has no key for the pool; None: all have, or none has said."""
    acceptance: float | None = None
    """Part of the proposed tokens that the target takes; None: not known."""
    now: datetime


def plan_pool(seen: PoolSnapshot) -> Plan:
    """Plan one pool."""
    pool = parsed(ServingPool, seen.body)
    if isinstance(pool, Problem):
        return Plan(status=_status(seen, PoolStatus(conditions=_refused(pool))))
    backing = pool_backing(pool, seen.body, seen.service, seen.loop)
    if pool.spec.external is not None:
        found = external_status(pool, pool.spec.external, backing.problem, seen.keyless)
        return Plan(status=_status(seen, found))
    if pool.spec.existing is not None and pool.spec.existing.inference_pool_ref is not None:
        return _following(pool, pool.spec.existing.inference_pool_ref, backing, seen)
    if pool.spec.existing is not None:
        # What followed an InferencePool before goes, but not from under the pool itself.
        kept = frozenset({ObjectKey("Service", pool.metadata.namespace, backing.service)})
        return Plan(
            deletes=strangers(seen.children, (), keep=kept),
            status=_status(seen, _existing(pool, backing, seen)),
        )
    wanted = workload(pool, seen.platform, seen.children)
    if backing.use is not Use.ALLOWED and backing.problem is not None:
        # Replicas that nobody can reach cost as much as others.
        wanted = Workload(objects=(), problems=(backing.problem,))
    deployment = next((c for c in seen.children if c["kind"] == "Deployment"), None)
    groups = next((c for c in seen.children if c["kind"] == KIND), None)
    if pool.managed.parallelism.nodes > 1:
        deployment = as_deployment(groups) if groups is not None else None
    name, namespace = pool.metadata.name, pool.metadata.namespace
    fetched = [one for one in seen.pods if PREFETCH_LABEL in one["metadata"].get("labels", {})]
    replicas = [one for one in seen.pods if one not in fetched]
    ahead = fetching(name, wanted.weights, seen.children, fetched)
    return Plan(
        applies=tuple(wanted.objects),
        deletes=unwanted(
            seen.children,
            wanted.objects,
            keep=frozenset(ObjectKey(kind, namespace, other) for kind, other in wanted.kept),
        ),
        status=_status(seen, status(pool, deployment, replicas, wanted.problems, ahead)),
    )


def unwanted(
    children: Sequence[Body], wanted: Sequence[Body], *, keep: frozenset[ObjectKey] = frozenset()
) -> tuple[Deletion, ...]:
    """Return children to delete: owned, and neither wanted nor kept.

    Where nothing is wanted, nothing is deleted: then the spec was refused, and what runs goes on.
    """
    return strangers(children, wanted, keep=keep) if wanted else ()


def strangers(
    children: Sequence[Body], wanted: Sequence[Body], *, keep: frozenset[ObjectKey] = frozenset()
) -> tuple[Deletion, ...]:
    """Return children that are neither wanted nor kept, also where nothing is wanted."""
    namespace = children[0]["metadata"]["namespace"] if children else ""
    named = {ObjectKey(w["kind"], namespace, w["metadata"]["name"]) for w in wanted} | keep
    return tuple(
        Deletion(key=key_of(child), uid=child["metadata"]["uid"])
        for child in children
        if key_of(child) not in named and not child["metadata"].get("deletionTimestamp")
    )


def _refused(problem: Problem) -> tuple[Condition, ...]:
    return (
        judged(ACCEPTED, [problem], reason="Accepted"),
        condition(AVAILABLE, "Unknown", reason=problem.reason, message="the spec is not accepted"),
    )


def _following(
    pool: ServingPool, reference: InferencePoolReference, backing: Backing, seen: PoolSnapshot
) -> Plan:
    """Plan a pool whose pods an InferencePool selects.

    Where the InferencePool is gone or unfit, the Service stays as it was, and what runs goes on.
    """
    wanted = followed(pool, reference, seen.inference_pool, seen.platform)
    taken = backing.problem is not None and backing.problem.reason == "ServiceNameTaken"
    return Plan(
        applies=() if taken else wanted.objects,
        status=_status(seen, _existing(pool, backing, seen, wanted.problems)),
    )


def _existing(
    pool: ServingPool, backing: Backing, seen: PoolSnapshot, more: Sequence[Problem] = ()
) -> PoolStatus:
    """Judge a pool that somebody else deploys, by its Service and EndpointSlices."""
    problems = [*([backing.problem] if backing.problem is not None else []), *more]
    if not problems and only_names(destination(pool, backing), seen.slices):
        problems = [
            Problem(
                condition=ACCEPTED,
                reason="ServiceWithoutEndpoints",
                message=f"the EndpointSlices of Service {backing.service} hold host names (address"
                " type FQDN), which no router connects to; name a Service with addresses in"
                " existing.serviceRef.name",
            )
        ]
    ready = 0
    if backing.use is not Use.UNRESOLVED:
        ready = len(ready_replicas(destination(pool, backing), seen.slices))
    available = condition(
        AVAILABLE,
        status=ready > 0,
        reason="ReplicasReady" if ready else "NoReadyReplica",
        message=f"{ready} endpoints of Service {backing.service} are ready",
    )
    progressing = condition(
        PROGRESSING, status=False, reason="NotManaged", message="somebody else deploys this pool"
    )
    accepted = judged(ACCEPTED, problems, reason="Accepted")
    reference = pool.spec.existing.credential_secret_ref if pool.spec.existing else None
    available = key_condition(reference, seen.keyless) or available
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
    acceptance = shown(seen.acceptance)
    if acceptance is not None:
        status["speculation"] = {"acceptance": acceptance}
    if found.prefetch:
        status["prefetch"] = dict(found.prefetch)
    if found.selector:
        status["selector"] = found.selector
    return status
