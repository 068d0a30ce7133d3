"""From a ModelRouter to the Kubernetes objects that run it.

One pod is Envoy and, as a native sidecar, the agent that feeds it: the agent starts first, so that
Envoy finds its files, and stops last, so that Envoy drains with somebody looking after it. Only the
agent sees the service account's token. The pod template depends on the spec and the image alone:
routes, pools and shares never restart a router.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from tokenfleet.api.conventions import MANAGED_BY, ROUTER_LABEL
from tokenfleet.api.v1alpha1.modelrouter import ManagedRouter, ModelRouter
from tokenfleet.domain.fleet.platform import PLAIN, Platform
from tokenfleet.domain.fleet.pod_security import pod_security
from tokenfleet.domain.fleet.scheduling import toleration
from tokenfleet.domain.routing import sidecar
from tokenfleet.domain.routing.containers import AGENT_PORT, agent, envoy, seconds, volumes
from tokenfleet.domain.routing.naming import config_name
from tokenfleet.domain.routing.network_policy import pools_policy, router_policy

SCRAPE_INTERVAL: Final = "15s"
SHUTDOWN_MARGIN: Final = timedelta(seconds=30)
"""Between the end of draining and the kubelet's SIGKILL."""
HOSTNAME: Final = "kubernetes.io/hostname"

Body = dict[str, Any]


def workload(router: ModelRouter, image: str, platform: Platform = PLAIN) -> tuple[Body, ...]:
    """Return the objects of a router, in the order in which they are of use.

    A router beside applications deploys nothing: it gives their service accounts the right to read
    its configuration, and counts the pods that carry it by a Service that nobody sends requests to.

    Args:
        router: the router.
        image: router image, with Envoy and the agent in it.
        platform: what the cluster is like.
    """
    monitor = [_pod_monitor(router)] if platform.pod_monitors else []
    if router.spec.type == "Sidecar":
        return (_role(router), _role_binding(router), _discovery(router), *monitor)
    return (
        _object(router, "v1", "ServiceAccount", automountServiceAccountToken=False),
        _role(router),
        _role_binding(router),
        _service(router),
        *_network_policies(router, platform),
        _deployment(router, image, platform),
        _disruption_budget(router),
        *monitor,
    )


def child_name(router: str) -> str:
    """Return the name that all other objects of a router have."""
    return f"{router}-router"


def _object(router: ModelRouter, api_version: str, kind: str, **fields: Any) -> Body:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": child_name(router.metadata.name),
            "namespace": router.metadata.namespace,
            "labels": _labels(router),
        },
        **fields,
    }


def _labels(router: ModelRouter) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "modelrouter",
        "app.kubernetes.io/instance": router.metadata.name,
        "app.kubernetes.io/managed-by": MANAGED_BY,
        **_selector(router),
    }


def _selector(router: ModelRouter) -> dict[str, str]:
    return {ROUTER_LABEL: router.metadata.name}


def _role(router: ModelRouter) -> Body:
    read = ["get", "list", "watch"]
    return _object(
        router,
        "rbac.authorization.k8s.io/v1",
        "Role",
        rules=[
            {
                "apiGroups": [""],
                "resources": ["configmaps"],
                "resourceNames": [config_name(router.metadata.name)],
                "verbs": read,
            },
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
        ],
    )


def accounts(router: ModelRouter) -> tuple[str, ...]:
    """Return the service accounts that read a router's configuration, all of its namespace."""
    beside = router.spec.sidecar if router.spec.type == "Sidecar" else None
    if beside is not None:
        return tuple(beside.service_accounts)
    return (child_name(router.metadata.name),)


def _role_binding(router: ModelRouter) -> Body:
    name = child_name(router.metadata.name)
    return _object(
        router,
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        subjects=[
            {"kind": "ServiceAccount", "name": account, "namespace": router.metadata.namespace}
            for account in accounts(router)
        ],
    )


def _service(router: ModelRouter) -> Body:
    wanted = router.spec.managed.service
    body = _object(
        router,
        "v1",
        "Service",
        spec={
            "type": wanted.type,
            "selector": _selector(router),
            "ports": [
                {"name": "http", "port": wanted.port, "protocol": "TCP", "targetPort": "http"}
            ],
        },
    )
    if wanted.annotations:
        body["metadata"]["annotations"] = dict(wanted.annotations)
    if wanted.load_balancer_class is not None:
        body["spec"]["loadBalancerClass"] = wanted.load_balancer_class
    return body


def _discovery(router: ModelRouter) -> Body:
    """Return a Service without an address: its EndpointSlices list the pods with a sidecar."""
    return _object(
        router,
        "v1",
        "Service",
        spec={
            "type": "ClusterIP",
            "clusterIP": "None",
            "selector": _selector(router),
            "ports": [
                {
                    "name": sidecar.METRICS,
                    "port": AGENT_PORT,
                    "protocol": "TCP",
                    "targetPort": AGENT_PORT,
                }
            ],
        },
    )


def _network_policies(router: ModelRouter, platform: Platform) -> Iterator[Body]:
    access = router.spec.managed.network_policy
    if access is None:
        return
    api, kind, name = "networking.k8s.io/v1", "NetworkPolicy", router.metadata.name
    allowed, tracing = router.spec.allowed_routes.namespaces, router.spec.tracing
    spec = router_policy(
        name, access, platform.operator_namespace, allowed=allowed, tracing=tracing
    )
    yield _object(router, api, kind, spec=spec)
    pools = _object(router, api, kind, spec=pools_policy(name, access))
    pools["metadata"]["name"] = f"{child_name(name)}-pools"
    yield pools


def _disruption_budget(router: ModelRouter) -> Body:
    return _object(
        router,
        "policy/v1",
        "PodDisruptionBudget",
        spec={
            "maxUnavailable": 1,
            # A replica that does not serve protects nothing by staying.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": _selector(router)},
        },
    )


def _pod_monitor(router: ModelRouter) -> Body:
    port = sidecar.METRICS if router.spec.type == "Sidecar" else "metrics"
    return _object(
        router,
        "monitoring.coreos.com/v1",
        "PodMonitor",
        spec={
            "selector": {"matchLabels": _selector(router)},
            "podMetricsEndpoints": [
                {"port": port, "path": "/metrics", "interval": SCRAPE_INTERVAL}
            ],
        },
    )


def _deployment(router: ModelRouter, image: str, platform: Platform) -> Body:
    managed = router.spec.managed
    return _object(
        router,
        "apps/v1",
        "Deployment",
        spec={
            "replicas": managed.replicas,
            "selector": {"matchLabels": _selector(router)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": {
                "metadata": {
                    "labels": {**managed.pod.labels, **_labels(router)},
                    "annotations": {
                        **managed.pod.annotations,
                        "prometheus.io/scrape": "true",
                        "prometheus.io/port": str(AGENT_PORT),
                        "prometheus.io/path": "/metrics",
                    },
                },
                "spec": _pod(router, image, platform),
            },
        },
    )


def _pod(router: ModelRouter, image: str, platform: Platform) -> Body:
    managed = router.spec.managed
    return {
        "serviceAccountName": child_name(router.metadata.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": seconds(managed.drain_timeout + SHUTDOWN_MARGIN),
        "securityContext": pod_security(fixed_ids=platform.fixed_ids),
        "topologySpreadConstraints": _spread(router),
        "initContainers": [
            agent(router.metadata.name, image, managed.resources, platform.operator_account)
        ],
        "containers": [envoy(image, managed.resources, managed.drain_timeout)],
        "volumes": volumes(),
        **_placement(managed),
    }


def _spread(router: ModelRouter) -> list[Body]:
    selector = {"labelSelector": {"matchLabels": _selector(router)}}
    wanted = router.spec.managed.pod.topology_spread_constraints
    if wanted:
        return [{**constraint.wire(), **selector} for constraint in wanted]
    return [
        {
            "maxSkew": 1,
            "topologyKey": HOSTNAME,
            "whenUnsatisfiable": "ScheduleAnyway",
            **selector,
        }
    ]


def _placement(managed: ManagedRouter) -> Body:
    pod = managed.pod
    wanted = {
        "nodeSelector": dict(pod.node_selector),
        "tolerations": [toleration(item) for item in pod.tolerations],
        "affinity": pod.affinity.wire() if pod.affinity is not None else None,
        "priorityClassName": pod.priority_class_name,
        "imagePullSecrets": [{"name": item.name} for item in pod.image_pull_secrets],
    }
    return {key: value for key, value in wanted.items() if value}
