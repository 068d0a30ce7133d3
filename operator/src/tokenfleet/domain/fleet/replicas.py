"""Router replicas: their pods, and what their agents say they run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tokenfleet.domain.routing.naming import place_of

AGENT_PORT: Final = 9091

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One router pod."""

    pod: str
    ready: bool
    since: datetime | None = None
    """When it became ready; None while it is not."""
    applied: int | None = None
    """Revision that its Envoy has accepted; None: the agent did not answer."""
    version: str = ""
    error: str = ""
    """Why it does not run a newer revision."""
    credentials: Mapping[str, str] = field(default_factory=dict)
    """Pool, as the router calls it -> why there is no key for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """How far a revision has come."""

    running: int
    ready: int
    behind: tuple[str, ...]
    """One sentence for each ready replica that does not run it yet."""

    @property
    def everywhere(self) -> bool:
        """Tell whether there are ready replicas and all of them run it."""
        return self.ready > 0 and self.running == self.ready


def replica(pod: Body) -> Replica:
    """Read a pod; what its agent says is added by the caller."""
    ready = _ready(pod)
    return Replica(
        pod=pod["metadata"]["name"],
        ready=ready is not None,
        since=datetime.fromisoformat(ready) if ready else None,
    )


def agent_address(pod: Body) -> str | None:
    """Return `ip:port` of a ready pod's agent, or None."""
    address = pod.get("status", {}).get("podIP")
    if not address or _ready(pod) is None:
        return None
    return f"[{address}]:{AGENT_PORT}" if ":" in address else f"{address}:{AGENT_PORT}"


def acknowledged(replicas: Sequence[Replica], revision: int) -> Acknowledged:
    """Tell how many ready replicas run a revision."""
    ready = [item for item in replicas if item.ready]
    running = [item for item in ready if item.applied is not None and item.applied >= revision]
    behind = tuple(_lag(item, revision) for item in ready if item not in running)
    return Acknowledged(running=len(running), ready=len(ready), behind=behind)


def keyless(replicas: Sequence[Replica], *, at: str) -> dict[str, str]:
    """Return `namespace/pool` -> why a ready replica has no key for it.

    Args:
        replicas: of one router.
        at: its namespace.
    """
    return {
        str(place_of(pool, at=at)): reason
        for item in replicas
        if item.ready
        for pool, reason in sorted(item.credentials.items())
    }


def _lag(item: Replica, revision: int) -> str:
    if item.applied is None:
        return f"pod {item.pod} does not answer"
    if item.error:
        return f"pod {item.pod} refuses revision {revision}: {item.error}"
    return f"pod {item.pod} runs revision {item.applied}"


def _ready(pod: Body) -> str | None:
    """Return since when a pod is ready; None where it is not, or is being deleted."""
    if pod["metadata"].get("deletionTimestamp"):
        return None
    status = pod.get("status", {})
    for condition in status.get("conditions", ()):
        if condition["type"] == "Ready" and condition["status"] == "True":
            # Not every kubelet is Kubernetes' own: the API lets the time be null.
            since = condition.get("lastTransitionTime") or status.get("startTime")
            return str(since or "")
    return None
