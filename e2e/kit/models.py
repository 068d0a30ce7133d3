"""Small models, made in the cluster by a Job, on a claim that pools mount.

Nothing is downloaded: the folders `target`, `draft` and `small` are computed (package e2e.models)
with the libraries that every vLLM image holds.
"""

from pathlib import Path
from typing import Any

from e2e.kit import repository
from e2e.kit.kubectl import Namespace
from e2e.kit.waiting import NotYet, wait_for

CLAIM = "models"
IMAGE = "vllm/vllm-openai-cpu:v0.32.0"
USER = 65532
FOLDERS = ("target", "draft", "small")


def claim() -> dict[str, Any]:
    """Return the claim, of the cluster's default storage class."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def job() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the Job that makes the models, and its code in a ConfigMap."""
    code = _sources(repository() / "e2e" / "models")
    files = [{"key": name, "path": f"e2e/models/{name}"} for name in code]
    locked = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    container = {
        "name": "make",
        "image": IMAGE,
        "command": ["python3", "-m", "e2e.models", "make", "--out", "/models"],
        "env": [
            {"name": "PYTHONPATH", "value": "/code"},
            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
            {"name": "HOME", "value": "/tmp"},
        ],
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "4Gi"}},
        "securityContext": locked,
        "volumeMounts": [
            {"name": "code", "mountPath": "/code", "readOnly": True},
            {"name": "models", "mountPath": "/models"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "code", "configMap": {"name": "make-models", "items": files}},
            {"name": "models", "persistentVolumeClaim": {"claimName": CLAIM}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    return (
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "make-models"},
            "data": code,
        },
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "make-models"},
            "spec": {"backoffLimit": 1, "template": {"spec": pod}},
        },
    )


def _sources(folder: Path) -> dict[str, str]:
    return {f.name: f.read_text(encoding="utf-8") for f in sorted(folder.glob("*.py"))}


def make(namespace: Namespace, *, timeout: float = 300.0) -> None:
    """Make the models; returns when they lie on the claim. Does nothing where they do already."""
    namespace.apply(claim(), *job())

    def done() -> bool | NotYet:
        status = namespace.must_get("job", "make-models").get("status") or {}
        if status.get("failed", 0) > 1:
            log = namespace.run("logs", "job/make-models", "--tail", "20")
            message = f"the models could not be made:\n{log}"
            raise AssertionError(message)
        return bool(status.get("succeeded")) or NotYet(str(status.get("uncountedTerminatedPods")))

    wait_for("the models to be made", done, timeout=timeout, every=1, namespace=namespace)
