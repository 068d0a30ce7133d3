"""From a ModelRouter to the Kubernetes objects that run it.

One pod is Envoy and, as a native sidecar, the agent that feeds it: the agent starts first, so that
Envoy finds its files, and stops last, so that Envoy drains with somebody looking after it. Only the
agent sees the service account's token. The pod template depends on the spec and the image alone:
routes, pools and shares never restart a router.
"""

from datetime import timedelta
from math import ceil
from typing import Any, Final

from tokenfleet.api.conventions import MANAGED_BY, ROUTER_LABEL
from tokenfleet.api.quantities import parse_quantity
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.api.v1alpha1.servingpool import Resources

TRAFFIC_PORT: Final = 8080
AGENT_PORT: Final = 9091
SERVICE_PORT: Final = 80
USER_ID: Final = 65532
CONFIG_FOLDER: Final = "/etc/tokenfleet"
TOKEN_FOLDER: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  # a path
SCRAPE_INTERVAL: Final = "15s"

ENVOY_REQUESTS: Final = {"cpu": "500m", "memory": "256Mi"}
"""What is reserved where the spec says nothing; Envoy at rest takes 90 MiB."""
AGENT_RESOURCES: Final = {
    "requests": {"cpu": "50m", "memory": "128Mi"},
    "limits": {"memory": "512Mi"},
}
"""The agent takes 60 MiB; Envoy's validation, which runs in its container, 100 MiB more."""
WORKERS: Final = 2
"""Envoy's worker threads where no CPU limit says otherwise; one carries about 4,000 requests/s."""
HEAP_LIMIT: Final = 1024 * 1024 * 1024
"""Bytes of heap where no memory limit says otherwise."""
HEAP_PART: Final = 4, 5
"""Part of the memory limit that the heap may take; the rest is stacks, code and buffers."""
SHUTDOWN_MARGIN: Final = timedelta(seconds=30)
"""Between the end of draining and the kubelet's SIGKILL."""

Body = dict[str, Any]


def workload(router: ModelRouter, image: str, *, pod_monitor: bool = False) -> tuple[Body, ...]:
    """Return the objects of a managed router, in the order in which they are of use.

    Args:
        router: the router.
        image: router image, with Envoy and the agent in it.
        pod_monitor: whether the cluster knows PodMonitors.
    """
    objects = (
        _object(router, "v1", "ServiceAccount", automountServiceAccountToken=False),
        _role(router),
        _role_binding(router),
        _service(router),
        _deployment(router, image),
        _disruption_budget(router),
    )
    return (*objects, _pod_monitor(router)) if pod_monitor else objects


def config_name(router: str) -> str:
    """Return the name of the ConfigMap that a router runs from."""
    return f"{router}-config"


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


def _role_binding(router: ModelRouter) -> Body:
    name = child_name(router.metadata.name)
    return _object(
        router,
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": name, "namespace": router.metadata.namespace}],
    )


def _service(router: ModelRouter) -> Body:
    return _object(
        router,
        "v1",
        "Service",
        spec={
            "selector": _selector(router),
            "ports": [
                {"name": "http", "port": SERVICE_PORT, "protocol": "TCP", "targetPort": "http"}
            ],
        },
    )


def _disruption_budget(router: ModelRouter) -> Body:
    return _object(
        router,
        "policy/v1",
        "PodDisruptionBudget",
        spec={"maxUnavailable": 1, "selector": {"matchLabels": _selector(router)}},
    )


def _pod_monitor(router: ModelRouter) -> Body:
    return _object(
        router,
        "monitoring.coreos.com/v1",
        "PodMonitor",
        spec={
            "selector": {"matchLabels": _selector(router)},
            "podMetricsEndpoints": [
                {"port": "metrics", "path": "/metrics", "interval": SCRAPE_INTERVAL}
            ],
        },
    )


def _deployment(router: ModelRouter, image: str) -> Body:
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
                    "labels": _labels(router),
                    "annotations": {
                        "prometheus.io/scrape": "true",
                        "prometheus.io/port": str(AGENT_PORT),
                        "prometheus.io/path": "/metrics",
                    },
                },
                "spec": _pod(router, image),
            },
        },
    )


def _pod(router: ModelRouter, image: str) -> Body:
    drain = router.spec.managed.drain_timeout
    return {
        "serviceAccountName": child_name(router.metadata.name),
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": _seconds(drain + SHUTDOWN_MARGIN),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _selector(router)},
            }
        ],
        "initContainers": [_agent(router, image)],
        "containers": [_envoy(router, image)],
        "volumes": [
            {"name": "config", "emptyDir": {"sizeLimit": "128Mi"}},
            {"name": "token", "projected": {"sources": _token_sources()}},
        ],
    }


def _envoy(router: ModelRouter, image: str) -> Body:
    managed = router.spec.managed
    drain = _seconds(managed.drain_timeout)
    return {
        "name": "envoy",
        "image": image,
        "command": ["envoy"],
        "args": [
            "--config-path",
            f"{CONFIG_FOLDER}/bootstrap.json",
            "--disable-hot-restart",
            "--concurrency",
            str(_workers(managed.resources)),
            "--drain-time-s",
            str(drain),
            "--drain-strategy",
            "immediate",
            "--log-level",
            "warning",
            "--component-log-level",
            "misc:error",  # otherwise every start warns about each work-in-progress message
        ],
        "ports": [{"name": "http", "containerPort": TRAFFIC_PORT, "protocol": "TCP"}],
        # The agent answers for both: published, and accepted by a live Envoy.
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": AGENT_PORT},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": 3,
        },
        "lifecycle": {
            "preStop": {
                "exec": {"command": ["tokenfleet", "agent", "drain", f"--timeout={drain}s"]}
            }
        },
        "resources": _resources(managed.resources),
        "securityContext": _container_security(),
        "volumeMounts": [{"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True}],
    }


def _agent(router: ModelRouter, image: str) -> Body:
    probe = {"httpGet": {"path": "/healthz", "port": AGENT_PORT}, "timeoutSeconds": 3}
    return {
        "name": "agent",
        "image": image,
        "restartPolicy": "Always",
        "command": ["tokenfleet", "agent"],
        "args": [
            f"--router={router.metadata.name}",
            f"--folder={CONFIG_FOLDER}",
            f"--heap-limit={_heap_limit(router.spec.managed.resources)}",
        ],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {
                "name": "POD_NAMESPACE",
                "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}},
            },
            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
        ],
        "ports": [{"name": "metrics", "containerPort": AGENT_PORT, "protocol": "TCP"}],
        # Envoy starts when this succeeds: its files are written before the agent listens.
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {**probe, "periodSeconds": 10, "failureThreshold": 6},
        "resources": AGENT_RESOURCES,
        "securityContext": _container_security(),
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER},
            {"name": "token", "mountPath": TOKEN_FOLDER, "readOnly": True},
        ],
    }


def _container_security() -> Body:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _token_sources() -> list[Body]:
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {
            "configMap": {
                "name": "kube-root-ca.crt",
                "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }
        },
    ]


def _resources(resources: Resources) -> Body:
    if resources.requests or resources.limits:
        parts = {"requests": resources.requests, "limits": resources.limits}
        return {name: dict(part) for name, part in parts.items() if part}
    return {"requests": ENVOY_REQUESTS}


def _workers(resources: Resources) -> int:
    limit = resources.limits.get("cpu")
    return WORKERS if limit is None else max(1, ceil(parse_quantity(limit)))


def _heap_limit(resources: Resources) -> int:
    limit = resources.limits.get("memory")
    if limit is None:
        return HEAP_LIMIT
    part, whole = HEAP_PART
    return int(parse_quantity(limit)) * part // whole


def _seconds(duration: timedelta) -> int:
    return ceil(duration / timedelta(seconds=1))
