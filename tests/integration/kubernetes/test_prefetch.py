"""Weights that are fetched before replicas start, by a real kubelet from a hub in the cluster.

The program that downloads is the pool's own, the image is vLLM's. In place of an engine a few lines
find the weights without a hub, as an engine would, and answer probes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.kit import models
from e2e.kit.kubectl import Namespace
from e2e.kit.yamls import dump
from tests.integration.kubernetes.conftest import OperatorProcess, eventually
from tests.integration.kubernetes.test_operator import condition

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
    code = {"hub.py": Path("tests/support/hub.py").read_text(), "main.py": HUB}
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


def pool(repository: str, revision: str) -> dict[str, Any]:
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
                        "huggingFace": {"repo": repository, "revision": revision},
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


def jobs(namespace: Namespace) -> list[dict[str, Any]]:
    return namespace.list("jobs", selector="tokenfleet.dev/prefetch=large")


@pytest.mark.vllm
def test_replicas_start_and_roll_when_their_weights_lie_in_the_cache(
    namespace: Namespace, operator: Callable[[str], OperatorProcess]
) -> None:
    namespace.apply(models.claim(), *hub())
    namespace.run("wait", "pod/hub", "--for=condition=Ready", "--timeout=180s")
    namespace.apply(pool("org/typo", "v1"))
    operator("a")

    def fetched() -> dict[str, Any]:
        return condition(namespace, "servingpool/large", "WeightsFetched")

    # What cannot be fetched is told in the pod's own words, and no replica starts.
    eventually(lambda: "RepositoryNotFoundError" in fetched().get("message", ""), within=180)
    (failing,) = jobs(namespace)
    assert namespace.list("pods", selector="tokenfleet.dev/pool=large") == []
    strict = ("--dry-run=server", "--validate=strict")
    again = {key: failing[key] for key in ("apiVersion", "kind", "spec")}
    again["spec"] = {"template": {"spec": again["spec"]["template"]["spec"]}}
    namespace.run("apply", *strict, "-f", "-", stdin=dump(({**again, "metadata": {"name": "x"}},)))

    # Corrected: another Job, then replicas that find everything.
    namespace.apply(pool("org/model", "v1"))
    eventually(lambda: fetched().get("status") == "True", within=240)
    seen = namespace.must_get("servingpool", "large")["status"]["prefetch"]
    assert seen == {"bytes": WHOLE, "totalBytes": WHOLE, "files": 6, "totalFiles": 6}
    eventually(lambda: condition(namespace, "servingpool/large", "Ready").get("status") == "True")
    (job,) = jobs(namespace)
    assert job["metadata"]["name"] != failing["metadata"]["name"]

    # Another revision is fetched first, and the one that runs answers until then.
    namespace.apply(pool("org/model", "v2"))
    eventually(lambda: fetched().get("reason") == "FetchingWeights")
    assert namespace.must_get("servingpool", "large")["status"]["readyReplicas"] == 1
    eventually(lambda: fetched().get("status") == "True", within=240)

    def rolled_out() -> bool:
        found = condition(namespace, "servingpool/large", "Progressing")
        (left,) = jobs(namespace)
        return (
            found.get("reason") == "UpToDate" and left["metadata"]["uid"] != job["metadata"]["uid"]
        )

    eventually(rolled_out)
    deployment = namespace.must_get("deployment", "large")
    assert "--revision=v2" in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    told = {event["reason"] for event in namespace.list("events.events.k8s.io")}
    assert {"FetchingWeights", "Fetched"} <= told
