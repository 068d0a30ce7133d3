"""Which routers a Service stands in front of."""

from collections.abc import Mapping
from typing import Any

from tokenfleet.api.conventions import ROUTER_LABEL
from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey

Body = Mapping[str, Any]


def fronted(service: Body) -> frozenset[ObjectKey]:
    """Return the keys of routers that a Service leads to, whether or not they exist.

    By its controller, and by what it selects: a Service that users write for a router's pods leads
    there as well.
    """
    namespace = service["metadata"].get("namespace", "")
    owners = service["metadata"].get("ownerReferences", ())
    names = {owner["name"] for owner in owners if owner.get("kind") == ROUTER}
    selector = service.get("spec", {}).get("selector") or {}
    if ROUTER_LABEL in selector:
        names.add(selector[ROUTER_LABEL])
    elif selector.get("app.kubernetes.io/name") == "modelrouter":
        names.add(selector.get("app.kubernetes.io/instance", ""))
    return frozenset(ObjectKey(ROUTER, namespace, name) for name in names if name)
