"""The two containers of a router, wherever they run: Envoy, and the agent that feeds it."""

from datetime import timedelta
from math import ceil
from typing import Any, Final

from tokenfleet.api.units import parse_quantity
from tokenfleet.api.v1alpha1.servingpool import Resources
from tokenfleet.domain.routing.heap import HEAP_LIMIT, heap_of

TRAFFIC_PORT: Final = 8080
AGENT_PORT: Final = 9091
USER_ID: Final = 65532
CONFIG_FOLDER: Final = "/etc/tokenfleet"
TOKEN_FOLDER: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  # a path

ENVOY_REQUESTS: Final = {"cpu": "500m", "memory": "256Mi"}
"""What is reserved where the spec says nothing; Envoy at rest takes 90 MiB."""
AGENT_RESOURCES: Final = {
    "requests": {"cpu": "50m", "memory": "128Mi"},
    "limits": {"memory": "512Mi"},
}
"""The agent takes 60 MiB; Envoy's validation, which runs in its container, 100 MiB more."""
WORKERS: Final = 2
"""Envoy's worker threads where no CPU limit says otherwise; one carries about 4,000 requests/s."""

Body = dict[str, Any]


def envoy(image: str, resources: Resources, drain: timedelta) -> Body:
    """Return the Envoy container of a router's own pod.

    Args:
        image: router image.
        resources: of this container.
        drain: how long running streams may go on.
    """
    drain_seconds = seconds(drain)
    return {
        "name": "envoy",
        "image": image,
        "command": ["envoy"],
        "args": [
            "--config-path",
            f"{CONFIG_FOLDER}/bootstrap.json",
            "--disable-hot-restart",
            "--concurrency",
            str(_workers(resources)),
            "--drain-time-s",
            str(drain_seconds),
            "--drain-strategy",
            "immediate",
            "--log-level",
            "warning",
            "--component-log-level",
            # Every start would warn about each work-in-progress message, and should say whether the
            # native module was built for this Envoy.
            "misc:error,dynamic_modules:info",
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
                "exec": {"command": ["tokenfleet", "agent", "drain", f"--timeout={drain_seconds}s"]}
            }
        },
        "resources": _resources(resources),
        "securityContext": container_security(),
        "volumeMounts": [{"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True}],
    }


def agent(router: str, image: str, resources: Resources, operator: str) -> Body:
    """Return the agent as a native sidecar: it starts first and stops last.

    Args:
        router: name of the ModelRouter.
        image: router image.
        resources: of the Envoy beside it, which decide its heap.
        operator: service account that may read the configuration; empty: nobody may.
    """
    probe = {"httpGet": {"path": "/healthz", "port": AGENT_PORT}, "timeoutSeconds": 3}
    return {
        "name": "agent",
        "image": image,
        "restartPolicy": "Always",
        "command": ["tokenfleet", "agent"],
        "args": [
            f"--router={router}",
            f"--folder={CONFIG_FOLDER}",
            f"--heap-limit={_heap_limit(resources)}",
            *([f"--operator={operator}"] if operator else []),
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
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER},
            {"name": "token", "mountPath": TOKEN_FOLDER, "readOnly": True},
        ],
    }


def volumes() -> list[Body]:
    """Return the volumes that both containers mount."""
    return [
        {"name": "config", "emptyDir": {"sizeLimit": "128Mi"}},
        {"name": "token", "projected": {"sources": token_sources()}},
    ]


def container_security() -> Body:
    """Return what the restricted Pod Security Standard asks of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def seconds(duration: timedelta) -> int:
    """Return a duration in whole seconds, rounded up."""
    return ceil(duration / timedelta(seconds=1))


def token_sources() -> list[Body]:
    """Return where the agent finds its token, and whose certificate to trust."""
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
    return HEAP_LIMIT if limit is None else heap_of(limit)
