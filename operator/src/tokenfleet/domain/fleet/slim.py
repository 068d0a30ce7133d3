"""Objects as they are kept in memory: without what nobody reads, and with every word once.

A cluster has many more Services and EndpointSlices than a fleet uses, and each copy costs several
times its JSON. Here is the list of what planners read, for the kinds that come in numbers. Names of
fields and words such as the reasons of conditions are the same in thousands of objects: `json`
makes new strings of them for each answer, here they are shared.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from tokenfleet.domain.fleet.field_ownership import with_claim

Body = Mapping[str, Any]

IDENTITY: Final = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "deletionTimestamp",
    "labels",
    "ownerReferences",
)
"""Metadata of kinds that are only looked at."""

UNREAD: Final = frozenset({"managedFields", "annotations"})
"""Metadata that nobody reads, and whose size is others' choice."""

WORD: Final = 40
"""Characters. What is longer is seldom said twice."""
UNIQUE: Final = frozenset({"uid", "resourceVersion", "message"})
"""Fields that are another one in each object."""


def slim(body: Body) -> dict[str, Any]:
    """Return a copy with what is read of it; the original is left as it is."""
    kept: dict[str, Any] = _shared(with_claim(_CUTS.get(body["kind"], _of_others)(body), body))
    return kept


def _shared(value: Any, name: str = "") -> Any:
    """Return a copy in which equal words are one string.

    Args:
        value: any JSON.
        name: of the field that holds it.
    """
    if isinstance(value, dict):
        return {sys.intern(key): _shared(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_shared(item, name) for item in value]
    if type(value) is str and len(value) <= WORD and name not in UNIQUE:
        return sys.intern(value)
    return value


def _of_others(body: Body) -> dict[str, Any]:
    """Return without annotations: tools keep whole copies there, of up to 256 KiB an object."""
    metadata = {k: v for k, v in body["metadata"].items() if k not in UNREAD}
    return {**body, "metadata": metadata}


def _of_pod(body: Body) -> dict[str, Any]:
    return {k: v for k, v in _of_others(body).items() if k != "spec"}


def _of_service(body: Body) -> dict[str, Any]:
    spec = body.get("spec", {})
    ports = [_some(port, ("name", "port", "protocol")) for port in spec.get("ports") or ()]
    return {
        **_identity(body),
        "spec": {**_some(spec, ("type", "selector", "ipFamilies")), "ports": ports},
    }


def slim_slice(body: Body, *, pods: bool = True) -> dict[str, Any]:
    """Return an EndpointSlice with what is read of it; `pods`: also which pods they are."""
    return {
        **_identity(body),
        "addressType": body.get("addressType"),
        "ports": [_some(port, ("name", "port", "protocol")) for port in body.get("ports") or ()],
        "endpoints": [_endpoint(endpoint, pods=pods) for endpoint in body.get("endpoints") or ()],
    }


def _endpoint(endpoint: Body, *, pods: bool) -> dict[str, Any]:
    kept = {
        # Consumers must not use any but the first (discovery.k8s.io/v1, Endpoint).
        "addresses": endpoint.get("addresses", [])[:1],
        "conditions": dict(endpoint.get("conditions") or {}),
    }
    if pods and endpoint.get("targetRef"):
        kept["targetRef"] = _some(endpoint["targetRef"], ("kind", "name", "uid"))
    return kept


def _of_deployment(body: Body) -> dict[str, Any]:
    """Return without the pod template: that of a large model is the largest thing of a fleet."""
    spec = _some(body.get("spec", {}), ("replicas",))
    return {**_identity(body), "spec": spec, **_some(body, ("status",))}


def _of_job(body: Body) -> dict[str, Any]:
    """Return without the pod template, as of a Deployment."""
    return {**_identity(body), **_some(body, ("status",))}


def _identity(body: Body) -> dict[str, Any]:
    metadata = _some(body["metadata"], IDENTITY)
    # Items of a list do not say what they are.
    return {"apiVersion": body.get("apiVersion"), "kind": body.get("kind"), "metadata": metadata}


def _some(body: Body, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: body[key] for key in keys if key in body}


_CUTS: Final[Mapping[str, Callable[[Body], dict[str, Any]]]] = {
    "Pod": _of_pod,
    "Service": _of_service,
    "EndpointSlice": slim_slice,
    "Deployment": _of_deployment,
    "Job": _of_job,
    **dict.fromkeys(
        (
            "ReplicaSet",
            "Namespace",
            "ServiceAccount",
            "Role",
            "RoleBinding",
            "PodDisruptionBudget",
            "NetworkPolicy",
            "PodMonitor",
        ),
        _identity,
    ),
}
