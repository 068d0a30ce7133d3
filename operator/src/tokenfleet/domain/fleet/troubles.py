"""What keeps pods from serving, in words that say where to look."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tokenfleet.api.conditions import AVAILABLE, READY, Condition
from tokenfleet.domain.fleet.conditions import condition

Body = Mapping[str, Any]

ORDINARY: Final = frozenset({"ContainerCreating", "PodInitializing", ""})
"""Reasons for waiting that every start goes through."""

TOLD: Final = 200
"""Characters of the cluster's own message that are repeated."""


def troubles(pods: Iterable[Body]) -> tuple[str, ...]:
    """Return one sentence for each pod that something other than time keeps from serving."""
    found = ((pod["metadata"]["name"], _trouble(pod.get("status", {}))) for pod in pods)
    return tuple(f"pod {name}: {text}" for name, text in sorted(found) if text)


def with_troubles(conditions: Sequence[Condition], told: Sequence[str]) -> tuple[Condition, ...]:
    """Add the first sentence to the conditions that say that nobody serves."""
    if not told:
        return tuple(conditions)
    return tuple(
        condition(item.type, status=False, reason=item.reason, message=f"{item.message}; {told[0]}")
        if item.type in (AVAILABLE, READY) and item.status == "False"
        else item
        for item in conditions
    )


def _trouble(status: Body) -> str:
    for item in status.get("conditions", ()):
        if item["type"] == "PodScheduled" and item["status"] == "False":
            return f"{item.get('reason', 'Unschedulable')}: {item.get('message', '')[:TOLD]}"
    containers = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    return next((text for container in containers if (text := _container(container))), "")


def _container(container: Body) -> str:
    waiting = container.get("state", {}).get("waiting", {})
    ended = container.get("lastState", {}).get("terminated", {})
    reason = waiting.get("reason", "")
    if ended and not container.get("ready"):
        last = f"ended with {ended.get('exitCode')} ({ended.get('reason', 'Error')})"
        restarts = container.get("restartCount", 0)
        return (
            f"container {container['name']} {last}, {restarts} restarts;"
            f" see kubectl logs --previous -c {container['name']}"
        )
    if reason not in ORDINARY:
        return f"{reason}: {waiting.get('message', '')[:TOLD]}"
    return ""
