"""Weights are fetched before replicas start, by a real kubelet from a hub in the cluster.

The program that downloads is the pool's own, the image is vLLM's. In place of an engine a few lines
find the weights without a hub, as an engine would, and answer probes.
"""

from typing import Any

import pytest

from e2e.kit import models, repository
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh, wait_account
from e2e.kit.waiting import NotYet, wait_condition, wait_for

HUB_PORT = 8000
HUB = """
from hub import Hub, server_of
files = {"config.json": b"{}", **{f"{n}.safetensors": bytes(1_000_000) for n in range(5)}}
server_of(Hub({"org/model": files}), "0.0.0.0", 8000).serve_forever()
"""
ENGINE = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from huggingface_hub import snapshot_download
model, revision = sys.argv[1], next(a for a in sys.argv if a.startswith("--revision="))[11:]
snapshot_download(model, revision=revision, local_files_only=True)
class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
HTTPServer(("", 8000), Health).serve_forever()
"""
WHOLE = 5_000_002


def hub() -> tuple[dict[str, Any], ...]:
    """Return a hub as a pod, its code and its Service."""
    code = {"hub.py": (repository() / "e2e/kit/hub.py").read_text(), "main.py": HUB}
    pod = models.job()[1]["spec"]["template"]["spec"]
    container = {
        **pod["containers"][0],
        "name": "hub",
        "command": ["python3", "/code/main.py"],
        "readinessProbe": {"tcpSocket": {"port": HUB_PORT}, "periodSeconds": 1},
        "volumeMounts": [{"name": "code", "mountPath": "/code", "readOnly": True}],
        "resources": {"requests": {"cpu": "50m"}},
    }
    volumes = [{"name": "code", "configMap": {"name": "hub"}}]
    spec = {**pod, "restartPolicy": "Always", "containers": [container], "volumes": volumes}
    labels = {"app": "hub"}
    return (
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hub"}, "data": code},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "hub", "labels": labels},
            "spec": spec,
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "hub"},
            "spec": {"selector": labels, "ports": [{"port": HUB_PORT}]},
        },
    )


def pool(repo: str) -> dict[str, Any]:
    return {
        "apiVersion": "tokenfleet.dev/v1alpha1",
        "kind": "ServingPool",
        "metadata": {"name": "large"},
        "spec": {
            "served": {"modelName": "m"},
            "managed": {
                "device": "CPU",
                "engine": {
                    "image": models.IMAGE,
                    "command": ["python3", "-c", ENGINE],
                    "env": [{"name": "HF_ENDPOINT", "value": f"http://hub:{HUB_PORT}"}],
                },
                "model": {
                    "source": {
                        "type": "HuggingFace",
                        "huggingFace": {"repo": repo, "revision": "v1"},
                    },
                    "cache": {
                        "persistentVolumeClaim": {"claimName": models.CLAIM},
                        "prefetch": "Job",
                    },
                },
                "cpu": {"kvCache": "1Gi"},
                "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
                "rollout": {"maxSurge": 1, "maxUnavailable": 0},
            },
        },
    }


@pytest.mark.vllm
def test_replicas_start_when_their_weights_lie_in_the_cache(
    cluster: Cluster, operator: Namespace
) -> None:
    assert operator
    with fresh(cluster, "prefetch") as namespace:
        wait_account(namespace)
        namespace.apply(models.claim(), *hub())
        namespace.run("wait", "pod/hub", "--for=condition=Ready", "--timeout=180s")

        # What cannot be fetched is told in the pod's own words, and no replica starts.
        namespace.apply(pool("org/typo"))
        failing = wait_condition(
            namespace, "servingpool", "large", "WeightsFetched",
            status="False", reason="CrashLoop", timeout=240,
        )  # fmt: skip
        assert "RepositoryNotFoundError: 404" in failing["message"]
        assert namespace.list("pods", selector="tokenfleet.dev/pool=large") == []

        # Corrected: another Job, then a replica that finds everything.
        namespace.apply(pool("org/model"))
        wait_condition(namespace, "servingpool", "large", "Ready", timeout=420)

        def fetched() -> bool | NotYet:
            told = namespace.must_get("servingpool", "large")["status"].get("prefetch")
            jobs = namespace.list("jobs", selector="tokenfleet.dev/prefetch=large")
            ended = [job["status"].get("succeeded", 0) for job in jobs]
            whole = {"bytes": WHOLE, "totalBytes": WHOLE, "files": 6, "totalFiles": 6}
            return (told == whole and ended == [1]) or NotYet(f"{told}, Jobs: {ended}")

        wait_for("all to be told as fetched", fetched, timeout=120, namespace=namespace)
