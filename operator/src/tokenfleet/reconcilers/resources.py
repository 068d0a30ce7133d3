"""The kinds that the operator watches and writes, and how they are addressed."""

from typing import Final

from tokenfleet.api.conventions import GROUP, MANAGED_BY, ROUTER_LABEL, VERSION, Kind
from tokenfleet.api.v1alpha1.modelroute import MODEL_ROUTE
from tokenfleet.api.v1alpha1.modelrouter import MODEL_ROUTER
from tokenfleet.api.v1alpha1.servingpool import SERVING_POOL
from tokenfleet.api.v1alpha1.tokenslo import TOKEN_SLO
from tokenfleet.domain.fleet.keys import INFERENCE_POOL, NAMESPACE
from tokenfleet.ports import Resource

MANAGED_SELECTOR: Final = f"app.kubernetes.io/managed-by={MANAGED_BY}"
"""Selects the objects that the operator owns."""


def _own(kind: Kind) -> Resource:
    return Resource(group=GROUP, version=VERSION, plural=kind.plural, kind=kind.kind)


def _of(group: str, version: str, plural: str, kind: str) -> Resource:
    return Resource(group=group, version=version, plural=plural, kind=kind)


POOLS: Final = _own(SERVING_POOL)
ROUTERS: Final = _own(MODEL_ROUTER)
ROUTES: Final = _own(MODEL_ROUTE)
SLOS: Final = _own(TOKEN_SLO)
CUSTOM: Final = (POOLS, ROUTERS, ROUTES, SLOS)

DEPLOYMENTS: Final = _of("apps", "v1", "deployments", "Deployment")
JOBS: Final = _of("batch", "v1", "jobs", "Job")
"""Downloads into the caches of pools."""
SERVICES: Final = _of("", "v1", "services", "Service")
CONFIG_MAPS: Final = _of("", "v1", "configmaps", "ConfigMap")
SERVICE_ACCOUNTS: Final = _of("", "v1", "serviceaccounts", "ServiceAccount")
REPLICA_SETS: Final = _of("apps", "v1", "replicasets", "ReplicaSet")
PODS: Final = _of("", "v1", "pods", "Pod")
BUDGETS: Final = _of("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
ROLES: Final = _of("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDINGS: Final = _of("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
SLICES: Final = _of("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
LEASES: Final = _of("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS: Final = _of("", "v1", "events", "Event")

NAMESPACES: Final = Resource(
    group="", version="v1", plural="namespaces", kind=NAMESPACE, namespaced=False
)
"""Watched for their labels, where the whole cluster is watched."""
NETWORK_POLICIES: Final = _of("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
MONITORS: Final = _of("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor")
"""Only where the Prometheus operator has brought the kind."""
INFERENCE_POOLS: Final = _of("inference.networking.k8s.io", "v1", "inferencepools", INFERENCE_POOL)
"""Of the Gateway API Inference Extension; followed by Existing pools."""

WATCHED: Final[dict[Resource, str]] = {
    **dict.fromkeys(CUSTOM, ""),
    # Services and slices of existing pools carry no label of ours.
    SERVICES: "",
    SLICES: "",
    # Pool's replicas are found by endpoints; only those of routers by who made them.
    REPLICA_SETS: f"{MANAGED_SELECTOR},{ROUTER_LABEL}",
    **dict.fromkeys(
        (
            DEPLOYMENTS,
            JOBS,
            CONFIG_MAPS,
            SERVICE_ACCOUNTS,
            BUDGETS,
            ROLES,
            ROLE_BINDINGS,
            NETWORK_POLICIES,
            PODS,
        ),
        MANAGED_SELECTOR,
    ),
}
"""Watched kinds and the label selector that the API server filters them by."""

LEADER_WORKER_SETS: Final = _of(
    "leaderworkerset.x-k8s.io", "v1", "leaderworkersets", "LeaderWorkerSet"
)
"""Replicas of pools over several nodes."""
OPTIONAL: Final[dict[Resource, str]] = {
    MONITORS: MANAGED_SELECTOR,
    INFERENCE_POOLS: "",
    LEADER_WORKER_SETS: MANAGED_SELECTOR,
}
"""Kinds of others, with the label selector as in `WATCHED`: watched while the cluster serves them.
Their definitions may come and go while the operator runs."""

BY_KIND: Final[dict[str, Resource]] = {
    resource.kind: resource for resource in (*WATCHED, *OPTIONAL, LEASES, EVENTS, NAMESPACES)
}
