"""What a route puts into its namespace for routers of others: the right to reach its pools.

    Role, RoleBinding   the routers' service accounts may read EndpointSlices here
    NetworkPolicy       the routers' pods may reach managed pools here, if a router makes policies

They belong to the route and go when it does: owners of other namespaces cannot own them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.domain.routing.network_policy import guests_policy
from tokenfleet.domain.routing.workload import accounts

Body = Mapping[str, Any]

RBAC: Final = "rbac.authorization.k8s.io"


def guest_access(route: Body, routers: Sequence[ModelRouter]) -> tuple[dict[str, Any], ...]:
    """Return the objects to apply; none where no router of another namespace carries the route.

    Args:
        route: ModelRoute as stored.
        routers: those of other namespaces that take it.
    """
    if not routers:
        return ()
    name = f"{route['metadata']['name']}-guests"
    role = _object(route, f"{RBAC}/v1", "Role", name)
    role["rules"] = [
        {
            "apiGroups": ["discovery.k8s.io"],
            "resources": ["endpointslices"],
            "verbs": ["get", "list", "watch"],
        }
    ]
    binding = _object(route, f"{RBAC}/v1", "RoleBinding", name)
    binding["roleRef"] = {"apiGroup": RBAC, "kind": "Role", "name": name}
    binding["subjects"] = [
        {"kind": "ServiceAccount", "name": account, "namespace": router.metadata.namespace}
        for router in routers
        for account in accounts(router)
    ]
    strict = [one for one in routers if one.spec.managed.network_policy is not None]
    if not strict:
        return role, binding
    policy = _object(route, "networking.k8s.io/v1", "NetworkPolicy", name)
    policy["spec"] = guests_policy(_pools(route), strict)
    return role, binding, policy


def _pools(route: Body) -> list[str]:
    refs = (
        reference["name"]
        for rule in route["spec"].get("rules", ())
        for reference in (*rule.get("backendRefs", ()), *rule.get("fallbackRefs", ()))
    )
    return sorted(set(refs))


def _object(route: Body, api_version: str, kind: str, name: str) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": route["metadata"]["namespace"],
        "labels": {
            "app.kubernetes.io/name": "modelroute",
            "app.kubernetes.io/instance": route["metadata"]["name"],
        },
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
