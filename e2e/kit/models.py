"""Small models, made in the cluster by a Job, on a claim that pools mount.

Nothing is downloaded: the folders `target`, `draft`, `small` and `adapter` are computed (package e2e.models)
with the libraries that every vLLM image holds.
"""

from pathlib import Path
from typing import Any

from e2e.kit import jobs, repository
from e2e.kit.kubectl import Namespace

CLAIM = "models"
IMAGE = "vllm/vllm-openai-cpu:v0.32.0"
NAME = "make-models"


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
    container = {
        "image": IMAGE,
        "command": [
            "sh",
            "-ec",
            "python3 -m e2e.models make --out /models; python3 -m e2e.models.adapter --out /models",
        ],
        "env": [
            {"name": "PYTHONPATH", "value": "/code"},
            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
            {"name": "HOME", "value": "/tmp"},
        ],
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "4Gi"}},
        "volumeMounts": [
            {"name": "code", "mountPath": "/code", "readOnly": True},
            {"name": "models", "mountPath": "/models"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
    volumes = [
        {"name": "code", "configMap": {"name": NAME, "items": files}},
        {"name": "models", "persistentVolumeClaim": {"claimName": CLAIM}},
        {"name": "tmp", "emptyDir": {}},
    ]
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": code}
    return config, jobs.job(NAME, container, volumes)


def _sources(folder: Path) -> dict[str, str]:
    return {f.name: f.read_text(encoding="utf-8") for f in sorted(folder.glob("*.py"))}


def make(namespace: Namespace, *, timeout: float = 300.0) -> None:
    """Make the models; returns when they lie on the claim. Does nothing where they do already."""
    namespace.apply(claim(), *job())
    jobs.wait_done(namespace, NAME, timeout=timeout)
