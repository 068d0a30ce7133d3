"""Replicas of a router that run in the pods of applications.

They are told by the EndpointSlices of the router's Service without an address: cheap to watch, and
complete, however many pods an autoscaler makes and takes. A slice says which pods there are, where,
and which are ready; not since when, so whoever asks remembers that.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from tokenfleet.domain.fleet.conditions import rfc3339
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.routing.workload import child_name

Body = Mapping[str, Any]


def is_carried(router: Body) -> bool:
    """Tell whether a router runs beside applications."""
    return bool(router.get("spec", {}).get("type") == "Sidecar")


def discovery(router: Body) -> ObjectKey:
    """Return the key of the Service whose slices list the pods."""
    key = key_of(router)
    return ObjectKey("Service", key.namespace, child_name(key.name))


def carriers(slices: Iterable[Body]) -> Iterator[tuple[str, Body]]:
    """Yield uid and endpoint of every pod that carries the router."""
    for piece in slices:
        for endpoint in piece.get("endpoints") or ():
            target = endpoint.get("targetRef") or {}
            if target.get("kind") == "Pod" and endpoint.get("addresses"):
                yield target.get("uid", target["name"]), endpoint


def as_pod(endpoint: Body, namespace: str, since: datetime) -> Body:
    """Return an endpoint in the form of a pod.

    Args:
        endpoint: from `carriers`.
        namespace: of the router.
        since: when the pod became ready, as far as is known.
    """
    target, conditions = endpoint["targetRef"], endpoint.get("conditions", {})
    metadata = {"name": target["name"], "namespace": namespace, "uid": target.get("uid", "")}
    if conditions.get("terminating"):
        metadata["deletionTimestamp"] = rfc3339(since)
    ready = {
        "type": "Ready",
        "status": "False" if conditions.get("ready") is False else "True",
        "lastTransitionTime": rfc3339(since),
    }
    status = {"podIP": endpoint["addresses"][0], "conditions": [ready]}
    return {"kind": "Pod", "metadata": metadata, "status": status}
