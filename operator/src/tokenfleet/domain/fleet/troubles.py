"""What keeps pods from serving, in words that say where to look.

A trouble is something that time alone does not heal: no node has room, an image cannot be pulled, a
container ends again and again, the namespace's quota is used up. Starting for long is none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tokenfleet.domain.fleet.last_words import cause

Body = Mapping[str, Any]

ORDINARY: Final = frozenset({"ContainerCreating", "PodInitializing", ""})
"""Reasons for waiting that every start goes through."""
KNOWN: Final[Mapping[str, str]] = {
    "ErrImagePull": "ImagePullFailed",
    "ImagePullBackOff": "ImagePullFailed",
    "InvalidImageName": "ImagePullFailed",
    "ErrImageNeverPull": "ImagePullFailed",
    "CrashLoopBackOff": "CrashLoop",
    "CreateContainerConfigError": "ContainerConfigError",
    "CreateContainerError": "ContainerConfigError",
    "RunContainerError": "ContainerConfigError",
}
"""The kubelet's reasons -> ours; others are repeated as they are."""
TOLD: Final = 200
"""Characters of the cluster's own message that are repeated."""
TEMPLATE_LABEL: Final = "pod-template-hash"
"""Label by which a Deployment's pods say which version of the template they are of."""
GROUP_LABEL: Final = "leaderworkerset.sigs.k8s.io/template-revision-hash"
"""The same of a LeaderWorkerSet's pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why one pod, or every further one, does not serve."""

    reason: str
    """For conditions: Unschedulable, ImagePullFailed, CrashLoop, ContainerConfigError,
    QuotaExceeded, PodsRefused, or the kubelet's own word."""
    message: str


def troubles(pods: Iterable[Body]) -> tuple[Trouble, ...]:
    """Return a trouble for each pod that has one, sorted by the pods' names."""
    named = sorted((pod["metadata"]["name"], pod) for pod in pods if _stays(pod))
    return tuple(
        Trouble(reason=found.reason, message=f"pod {name}: {found.message}")
        for name, pod in named
        if (found := _trouble(pod.get("status", {}))) is not None
    )


def newest(pods: Iterable[Body]) -> tuple[Body, ...]:
    """Return the pods of the version that was made last."""
    listed = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    version = _version(listed[-1]) if listed else ""
    return tuple(pod for pod in listed if _version(pod) == version)


def refused(deployment: Body | None) -> Trouble | None:
    """Return why a Deployment cannot make its pods, or None."""
    conditions: Sequence[Body] = (deployment or {}).get("status", {}).get("conditions") or ()
    for item in conditions:
        if item.get("type") == "ReplicaFailure" and item.get("status") == "True":
            text = item.get("message") or "pods cannot be created"
            reason = "QuotaExceeded" if "exceeded quota" in text else "PodsRefused"
            return Trouble(reason=reason, message=text[:TOLD])
    return None


def _version(pod: Body) -> str:
    labels = pod["metadata"].get("labels", {})
    return str(labels.get(TEMPLATE_LABEL) or labels.get(GROUP_LABEL, ""))


def _stays(pod: Body) -> bool:
    return not pod["metadata"].get("deletionTimestamp")


def _trouble(status: Body) -> Trouble | None:
    for item in status.get("conditions", ()):
        if item["type"] == "PodScheduled" and item["status"] == "False":
            reason, told = item.get("reason", "Unschedulable"), item.get("message", "")[:TOLD]
            return Trouble(reason=reason, message=f"{reason}: {told}")
    containers = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    found = (_container(container) for container in containers)
    return next((trouble for trouble in found if trouble is not None), None)


def _container(container: Body) -> Trouble | None:
    waiting = container.get("state", {}).get("waiting", {})
    ended = container.get("lastState", {}).get("terminated", {})
    reason = waiting.get("reason", "")
    if ended and not container.get("ready"):
        last = f"ended with {ended.get('exitCode')} ({ended.get('reason', 'Error')})"
        restarts = container.get("restartCount", 0)
        words = cause(ended.get("message", ""))[:TOLD]
        said = f': "{words}"' if words else ""
        text = (
            f"container {container['name']} {last}{said}, {restarts} restarts;"
            f" see kubectl logs --previous -c {container['name']}"
        )
        return Trouble(reason="CrashLoop", message=text)
    if reason not in ORDINARY:
        text = f"{reason}: {waiting.get('message', '')[:TOLD]}"
        return Trouble(reason=KNOWN.get(reason, reason), message=text)
    return None
