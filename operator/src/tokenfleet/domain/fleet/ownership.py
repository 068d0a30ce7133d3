"""Whose object is whose: by owner references, never by name alone."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tokenfleet.api.conventions import API_VERSION, MANAGED_BY
from tokenfleet.domain.fleet.keys import ObjectKey, controller_of

Body = Mapping[str, Any]

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"


def is_ours(child: Body, owner: Body) -> bool:
    """Tell whether this owner may write a child.

    An owner that was deleted and created again under its name takes over what the old one left.
    """
    controller = controller_of(child)
    if controller is None:
        return is_managed(child)
    return bool(
        controller.get("apiVersion", "").partition("/")[0] == API_VERSION.partition("/")[0]
        and controller["kind"] == owner["kind"]
        and controller["name"] == owner["metadata"]["name"]
    )


def is_managed(body: Body) -> bool:
    """Tell whether an object carries our label."""
    return bool(body["metadata"].get("labels", {}).get(MANAGED_BY_LABEL) == MANAGED_BY)


def controls(owner: Body, child: Body) -> bool:
    """Tell whether a child is controlled by this very object, and not by a namesake of it."""
    controller = controller_of(child)
    return controller is not None and controller.get("uid") == owner["metadata"].get("uid")


def runs_for(pod: Body, router: Body, get: Callable[[ObjectKey], Body | None]) -> bool:
    """Tell whether a pod is a replica of a router: pod -> ReplicaSet -> Deployment -> router.

    Labels can be put on any pod; who creates a pod is written by the controllers of the cluster.

    Args:
        pod: carries the router's label.
        router: the router.
        get: returns an object, or None where it is not known.
    """
    link = pod
    for kind in ("ReplicaSet", "Deployment"):
        controller = controller_of(link)
        if controller is None or controller["kind"] != kind:
            return False
        found = get(ObjectKey(kind, pod["metadata"].get("namespace", ""), controller["name"]))
        if found is None or found["metadata"].get("uid") != controller.get("uid"):
            return False
        link = found
    return controls(router, link)
