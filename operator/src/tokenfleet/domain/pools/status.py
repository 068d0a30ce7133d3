"""A managed pool's status as a view of its Deployment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenfleet.api.conditions import ACCEPTED, AVAILABLE, PROGRESSING, Condition
from tokenfleet.api.conventions import POOL_LABEL
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.conditions import condition, judged, summary
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools import rollout

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """What is to be seen in the pool's status."""

    conditions: tuple[Condition, ...]
    replicas: int = 0
    """Replicas that exist."""
    ready_replicas: int = 0
    """Replicas that serve."""
    selector: str = ""
    """Label selector of the pods, for autoscalers; empty where the operator owns no pods."""


def status(pool: ServingPool, deployment: Body | None, problems: Sequence[Problem]) -> PoolStatus:
    """Return what holds now of a managed pool.

    Args:
        pool: the pool.
        deployment: its Deployment as stored; None where there is none yet.
        problems: from `workload`.
    """
    name, wanted = pool.metadata.name, pool.spec.replicas
    seen: Body = (deployment or {}).get("status", {})
    ready = int(seen.get("readyReplicas", 0))
    conditions = [
        judged(ACCEPTED, problems, reason="Accepted", message="the spec can be deployed"),
        _available(name, ready=ready, wanted=wanted),
        _progressing(name, deployment, wanted=wanted),
        rollout.gapless(pool),
    ]
    message = f"{ready} of {wanted} replicas serve"
    conditions.append(summary(conditions, (ACCEPTED, AVAILABLE), message=message))
    return PoolStatus(
        conditions=tuple(conditions),
        replicas=int(seen.get("replicas", 0)),
        ready_replicas=ready,
        selector=f"{POOL_LABEL}={name}",
    )


def _available(name: str, *, ready: int, wanted: int) -> Condition:
    if ready:
        message = f"{ready} of {wanted} replicas serve"
        return condition(AVAILABLE, status=True, reason="ReplicasServe", message=message)
    if not wanted:
        message = f"pool {name} is scaled to 0: raise spec.replicas to serve"
        return condition(AVAILABLE, status=False, reason="ScaledToZero", message=message)
    message = f"pool {name}: none of {wanted} replicas serve yet"
    return condition(AVAILABLE, status=False, reason="NoReplicaServes", message=message)


def _progressing(name: str, deployment: Body | None, *, wanted: int) -> Condition:
    """Say whether a change is being rolled out: True while it is, False when done or stuck."""
    if deployment is None:
        message = f"pool {name}: the Deployment is not there yet"
        return condition(PROGRESSING, status=True, reason="DeploymentMissing", message=message)
    metadata, seen = deployment.get("metadata", {}), deployment.get("status", {})
    if int(seen.get("observedGeneration", 0)) < int(metadata.get("generation", 0)):
        message = f"pool {name}: a changed Deployment has not been looked at yet"
        return condition(PROGRESSING, status=True, reason="DeploymentUpdated", message=message)
    stuck = _condition_of(deployment, "Progressing")
    if stuck.get("reason") == "ProgressDeadlineExceeded":
        message = f"pool {name}: {stuck.get('message') or 'no progress within the deadline'}"
        return condition(PROGRESSING, status=False, reason="DeadlineExceeded", message=message)
    failed = _condition_of(deployment, "ReplicaFailure")
    if failed.get("status") == "True":
        message = f"pool {name}: {failed.get('message') or 'pods cannot be created'}"
        return condition(PROGRESSING, status=False, reason="ReplicaFailure", message=message)
    updated = int(seen.get("updatedReplicas", 0))
    available, total = int(seen.get("availableReplicas", 0)), int(seen.get("replicas", 0))
    if updated == total == available == wanted:
        message = f"all {wanted} replicas are up to date"
        return condition(PROGRESSING, status=False, reason="UpToDate", message=message)
    message = f"{updated} of {wanted} replicas are up to date, {available} serve, {total} exist"
    return condition(PROGRESSING, status=True, reason="RollingOut", message=message)


def _condition_of(deployment: Body, type_: str) -> Body:
    found: Sequence[Body] = deployment.get("status", {}).get("conditions") or ()
    return next((item for item in found if item.get("type") == type_), {})
