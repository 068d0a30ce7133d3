"""How far a Deployment's rollout is, and what it is stuck on."""

from collections.abc import Mapping, Sequence
from typing import Any

from tokenfleet.api.conditions import PROGRESSING
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.domain.fleet.conditions import condition
from tokenfleet.domain.fleet.troubles import newest, refused, troubles

Body = Mapping[str, Any]


def progressing(
    subject: str, deployment: Body | None, pods: Sequence[Body], *, wanted: int
) -> Condition:
    """Say whether a change is being rolled out: True while it is, False when done or stuck.

    It is stuck as soon as a new pod has a trouble: what the Deployment itself says comes when its
    deadline is over, which for large models is an hour.

    Args:
        subject: whose Deployment, for people: `pool large`.
        deployment: as stored; None where there is none yet.
        pods: of that Deployment.
        wanted: replicas.
    """
    if deployment is None:
        message = f"{subject}: its workload is not there yet"
        return condition(PROGRESSING, status=True, reason="DeploymentMissing", message=message)
    metadata, seen = deployment.get("metadata", {}), deployment.get("status", {})
    if int(seen.get("observedGeneration", 0)) < int(metadata.get("generation", 0)):
        message = f"{subject}: its changed workload has not been looked at yet"
        return condition(PROGRESSING, status=True, reason="DeploymentUpdated", message=message)
    updated = int(seen.get("updatedReplicas", 0))
    available, total = int(seen.get("availableReplicas", 0)), int(seen.get("replicas", 0))
    if updated == total == available == wanted:
        message = f"all {wanted} replicas are up to date"
        return condition(PROGRESSING, status=False, reason="UpToDate", message=message)
    stuck = _stuck(subject, deployment, pods)
    if stuck is not None:
        return stuck
    message = f"{updated} of {wanted} replicas are up to date, {available} serve, {total} exist"
    return condition(PROGRESSING, status=True, reason="RollingOut", message=message)


def _stuck(subject: str, deployment: Body, pods: Sequence[Body]) -> Condition | None:
    cause = refused(deployment) or next(iter(troubles(newest(pods))), None)
    if cause is not None:
        message = f"{subject}: {cause.message}"
        return condition(PROGRESSING, status=False, reason=cause.reason, message=message)
    for item in deployment.get("status", {}).get("conditions") or ():
        if item.get("type") == "Progressing" and item.get("reason") == "ProgressDeadlineExceeded":
            message = f"{subject}: {item.get('message') or 'no progress within the deadline'}"
            return condition(PROGRESSING, status=False, reason="DeadlineExceeded", message=message)
    return None
