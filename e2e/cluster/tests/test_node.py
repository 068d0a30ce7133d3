"""The node does what a cloud's does: pods, names, claims, logs, resizing, GPUs."""

from __future__ import annotations

import json
import resource
from typing import Any

import pytest

from e2e.cluster.tests.instance import cluster, kubectl, until

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running")]

IMAGE = "ghcr.io/tokenfleet/operator:0.1.0"
RESTRICTED = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module")
def web(running: None) -> str:
    """A namespace under restricted Pod Security with a web server, its Service and a claim."""
    namespace = "cluster-test"
    container = {
        "name": "web",
        "image": IMAGE,
        "command": ["python3", "-m", "http.server", "8000", "--directory", "/data"],
        "securityContext": RESTRICTED,
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m"}, "limits": {"cpu": "200m", "nvidia.com/gpu": "1"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
         "metadata": {"name": "data", "namespace": namespace},
         "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}},
        {"apiVersion": "v1", "kind": "Pod",
         "metadata": {"name": "web", "namespace": namespace, "labels": {"app": "web"}},
         "spec": {"containers": [container], "terminationGracePeriodSeconds": 1,
                  "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}},
        {"apiVersion": "v1", "kind": "Service",
         "metadata": {"name": "files", "namespace": namespace},
         "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]}},
    ]  # fmt: skip
    first, *rest = objects
    kubectl("apply", "-f", "-", stdin=json.dumps(first))
    # A new namespace gets the account of its pods a moment later.
    account = ("serviceaccount/default", "--for=create", "--timeout=120s")
    kubectl("wait", "-n", namespace, *account)
    listed = {"apiVersion": "v1", "kind": "List", "items": rest}
    kubectl("apply", "-f", "-", stdin=json.dumps(listed))
    kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/web", "--timeout=180s")
    return namespace


def test_up_again_is_quick_and_changes_nothing() -> None:
    # Processor time, not the clock: other programs may keep the machine busy meanwhile.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = cluster("up", "--no-vllm")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert "the cluster is up" in done.stderr
    assert "image" not in done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3


def test_a_pod_reaches_a_service_by_its_name(web: str) -> None:
    kubectl("exec", "-n", web, "web", "--", "sh", "-c", "echo hello > /data/hello")
    code = "import urllib.request as u; print(u.urlopen('http://files.cluster-test/hello').read())"

    # The pod is ready before the packet filter knows of it.
    until(
        lambda: kubectl("exec", "-n", web, "web", "--", "python3", "-c", code, check=False),
        lambda said: "hello" in said,
    )


def test_a_name_outside_the_cluster_fails_at_once(web: str) -> None:
    code = (
        "import socket, time; began = time.monotonic()\n"
        "try: socket.getaddrinfo('tokenfleet.example', 80)\n"
        "except socket.gaierror: print(time.monotonic() - began < 5)"  # what one try may take
    )

    # A busy machine can hold up one try, not all.
    until(
        lambda: kubectl("exec", "-n", web, "web", "--", "python3", "-c", code),
        lambda said: "True" in said,
    )


def test_logs_and_the_service_proxy_go_through_the_api_server(web: str) -> None:
    path = f"/api/v1/namespaces/{web}/services/files:80/proxy/"

    until(lambda: kubectl("get", "--raw", path, check=False), lambda said: "Directory" in said)
    until(lambda: kubectl("logs", "-n", web, "web"), lambda said: "GET /" in said)


def test_software_of_the_node_cannot_be_changed_from_a_container(web: str) -> None:
    done = kubectl("exec", "-n", web, "web", "--", "sh", "-c", "touch /usr/bin/x || echo refused")

    assert "refused" in done


def test_a_container_is_resized_in_place(web: str) -> None:
    wanted = {"limits": {"cpu": "100m"}, "requests": {"cpu": "20m"}}
    patch = {"spec": {"containers": [{"name": "web", "resources": wanted}]}}
    kubectl("patch", "pod", "web", "-n", web, "--subresource=resize", "-p", json.dumps(patch))

    def container() -> dict[str, Any]:
        status = json.loads(kubectl("get", "pod", "web", "-n", web, "-o", "json"))["status"]
        return dict(status["containerStatuses"][0])

    resized = until(container, lambda one: one["resources"]["limits"]["cpu"] == "100m")
    assert resized["restartCount"] == 0


def test_gpus_run_out(web: str) -> None:
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "greedy", "namespace": web},
        "spec": {"containers": [{"name": "c", "image": IMAGE, "securityContext": RESTRICTED,
                                 "resources": {"limits": {"nvidia.com/gpu": "8"}}}]},
    }  # fmt: skip
    kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    kubectl("wait", "-n", web, "--for=condition=PodScheduled=False", "pod/greedy", "--timeout=120s")

    until(
        lambda: kubectl("describe", "pod", "greedy", "-n", web),
        lambda said: "Insufficient nvidia.com/gpu" in said,  # in an Event
    )


def test_a_deleted_claim_takes_its_files_along(web: str) -> None:
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "short", "namespace": web},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }  # fmt: skip
    kubectl("apply", "-f", "-", stdin=json.dumps(claim))
    kubectl(
        "wait", "-n", web, "--for=jsonpath={.status.phase}=Bound", "pvc/short", "--timeout=120s"
    )
    volume = kubectl("get", "pvc", "short", "-n", web, "-o", "jsonpath={.spec.volumeName}")
    kubectl("delete", "pvc", "short", "-n", web)

    kubectl("wait", "--for=delete", f"pv/{volume}", "--timeout=120s")
