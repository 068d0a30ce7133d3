"""A pool of llama.cpp's own server, with a small random model that a Job lays on a claim."""

import base64
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from e2e.cluster import llama
from e2e.kit import jobs, models, repository
from e2e.kit.kubectl import Namespace
from e2e.stories import fleet as written

IMAGE = "ghcr.io/ggml-org/llama.cpp:server"
FILE = "small.gguf"
NAME = "make-gguf"


def lay(namespace: Namespace) -> None:
    """Lay the model on a claim, and let the built-in cluster know the image."""
    if namespace.cluster.builtin:
        from e2e.cluster import images  # noqa: PLC0415  Linux only; not needed elsewhere

        images.publish([images.llama_cpp()])
    metadata = {"name": NAME}
    data = {FILE: base64.b64encode(_model()).decode()}
    given = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": data}
    namespace.apply(given, server_side=True)  # too long for the annotation of a client's apply
    namespace.apply(models.claim(), _job())
    jobs.wait_done(namespace, NAME)


def pool(name: str) -> dict[str, Any]:
    """Return the pool."""
    claim = {"claimName": models.CLAIM, "path": FILE}
    source = {
        "type": "PersistentVolumeClaim",
        "huggingFace": None,
        "persistentVolumeClaim": claim,
    }
    managed = {
        "engine": {"type": "LlamaCpp", "image": IMAGE, "concurrency": 4},
        "model": {"source": source},
        "cpu": None,
        "resources": {"requests": {"cpu": "20m"}, "limits": {"cpu": "1", "memory": "512Mi"}},
    }
    return written.pool(name, served={"contextWindow": 1024}, managed=managed)


def _model() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file, writer = Path(folder) / FILE, repository() / "e2e" / "models" / "tiny_gguf.py"
        subprocess.run([llama.tools() / "bin" / "python", writer, file], check=True)
        return file.read_bytes()


def _job() -> dict[str, Any]:
    container = {
        "image": IMAGE,
        "command": ["cp", f"/given/{FILE}", f"/models/{FILE}"],
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
        "volumeMounts": [
            {"name": "given", "mountPath": "/given", "readOnly": True},
            {"name": "models", "mountPath": "/models"},
        ],
    }
    volumes = [
        {"name": "given", "configMap": {"name": NAME}},
        {"name": "models", "persistentVolumeClaim": {"claimName": models.CLAIM}},
    ]
    return jobs.job(NAME, container, volumes)
