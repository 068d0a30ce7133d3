"""What an application's pod carries to have a router of its own on the loopback.

Two native sidecars (init containers with `restartPolicy: Always`): they start before the
application and stop after it, so that it never asks in vain, and its last streams end whole. The
chart's MutatingAdmissionPolicy says the same in CEL, generated from here (`sidecar_policy`).

    agent  starts -> writes Envoy's files, listens -> envoy starts -> ready, or `startLimit` is over
                                                                        `-> the application starts
"""

from dataclasses import dataclass
from typing import Any, Final

from tokenfleet.api.conventions import ROUTER_LABEL
from tokenfleet.api.v1alpha1.modelrouter import SidecarRouter
from tokenfleet.domain.routing.containers import (
    AGENT_PORT,
    AGENT_RESOURCES,
    CONFIG_FOLDER,
    TOKEN_FOLDER,
    USER_ID,
    container_security,
    token_sources,
)

AGENT: Final = "tokenfleet-agent"
ENVOY: Final = "tokenfleet-envoy"
CONFIG: Final = "tokenfleet-config"
TOKEN: Final = "tokenfleet-token"  # noqa: S105  # a volume
METRICS: Final = "tokenfleet"
"""Name of the agent's port; the application has names of its own."""
LONGEST_START: Final = 600
"""Seconds after which a sidecar that does not even run is started again: more than the longest
`startLimit`, which the agent itself watches over."""
HOST: Final = "127.0.0.1"

Body = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What differs from sidecar to sidecar, as it stands in containers; or CEL that says it."""

    router: str
    image: str
    port: str
    memory: str
    cpu: str
    start_limit: str
    security: Any
    """Security context of both containers."""


def pod_template(router: str, wanted: SidecarRouter, image: str, *, fixed_ids: bool) -> Body:
    """Return what has to be added to a pod template.

    Args:
        router: name of the ModelRouter.
        wanted: its `sidecar`.
        image: router image.
        fixed_ids: whether the containers name their user.
    """
    settings = Settings(
        router=router,
        image=image,
        port=str(wanted.port),
        memory=wanted.memory,
        cpu=wanted.cpu,
        start_limit=f"{int(wanted.start_limit.total_seconds())}s",
        security=_security(fixed_ids=fixed_ids),
    )
    return {
        "metadata": {"labels": {ROUTER_LABEL: router}},
        "spec": {"initContainers": [agent(settings), envoy(settings)], "volumes": volumes()},
    }


def volumes() -> list[Body]:
    """Return the volumes that both containers mount."""
    return [
        {"name": CONFIG, "emptyDir": {"sizeLimit": "128Mi"}},
        {"name": TOKEN, "projected": {"sources": token_sources()}},
    ]


def agent(settings: Settings) -> Body:
    """Return the agent: it starts first and stops last."""
    probe = {"httpGet": {"path": "/healthz", "port": AGENT_PORT}, "timeoutSeconds": 3}
    return {
        "name": AGENT,
        "image": settings.image,
        "restartPolicy": "Always",
        "command": ["tokenfleet", "agent"],
        "args": [
            f"--router={settings.router}",
            f"--folder={CONFIG_FOLDER}",
            f"--traffic-host={HOST}",
            f"--traffic-port={settings.port}",
            f"--memory-limit={settings.memory}",
            f"--start-limit={settings.start_limit}",
        ],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {
                "name": "POD_NAMESPACE",
                "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}},
            },
            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
        ],
        "ports": [{"name": METRICS, "containerPort": AGENT_PORT, "protocol": "TCP"}],
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {**probe, "periodSeconds": 10, "failureThreshold": 6},
        "resources": AGENT_RESOURCES,
        "securityContext": settings.security,
        "volumeMounts": [
            {"name": CONFIG, "mountPath": CONFIG_FOLDER},
            {"name": TOKEN, "mountPath": TOKEN_FOLDER, "readOnly": True},
        ],
    }


def envoy(settings: Settings) -> Body:
    """Return Envoy; the application starts after it."""
    probe = {"periodSeconds": 1, "timeoutSeconds": 2}
    return {
        "name": ENVOY,
        "image": settings.image,
        "restartPolicy": "Always",
        "command": ["envoy"],
        "args": [
            "--config-path",
            f"{CONFIG_FOLDER}/bootstrap.json",
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--log-level",
            "warning",
            "--component-log-level",
            "misc:error,dynamic_modules:info",
        ],
        # The application starts when this succeeds.
        "startupProbe": {
            "httpGet": {"path": "/startz", "port": AGENT_PORT},
            **probe,
            "failureThreshold": LONGEST_START,
        },
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": AGENT_PORT},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": 3,
        },
        "resources": {
            "requests": {"cpu": settings.cpu, "memory": settings.memory},
            "limits": {"memory": settings.memory},
        },
        "securityContext": settings.security,
        "volumeMounts": [{"name": CONFIG, "mountPath": CONFIG_FOLDER, "readOnly": True}],
    }


def _security(*, fixed_ids: bool) -> Body:
    """Return the security context: the pod around the containers is somebody else's."""
    ids = {"runAsUser": USER_ID, "runAsGroup": USER_ID} if fixed_ids else {}
    return {
        "runAsNonRoot": True,
        **ids,
        **container_security(),
        "seccompProfile": {"type": "RuntimeDefault"},
    }
