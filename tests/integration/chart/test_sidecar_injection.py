"""The API server puts into pods exactly what `tokenfleet sidecar` prints, and into no others."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.waiting import NotYet, wait_for
from tests.integration.api.server import install_crds
from tokenfleet.api.conventions import API_VERSION
from tokenfleet.cli.sidecar import snippet

pytestmark = pytest.mark.cluster

API = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"
IMAGE = "registry.example.com/router@sha256:" + "1" * 64
ROUTER: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "ModelRouter",
    "metadata": {"name": "beside"},
    "spec": {
        "type": "Sidecar",
        "sidecar": {"serviceAccounts": ["default"], "port": 9000, "startLimit": "1m30s"},
    },
}
MANAGED: dict[str, Any] = {**ROUTER, "metadata": {"name": "managed"}, "spec": {}}


def pod(name: str = "web", **change: Any) -> dict[str, Any]:
    """Return an application that meets the restricted Pod Security Standard."""
    container = {
        "name": "web",
        "image": "web:1",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"tokenfleet.dev/router": "beside"}},
        "spec": {"containers": [container], "securityContext": security, **change},
    }


def rendered(
    cluster: Cluster, chart: Path, *settings: str, api: str = API, release: str = "t"
) -> list[dict[str, Any]]:
    """Return the injection policy for a cluster that serves an API."""
    sets = [word for one in ("sidecarInjection.enabled=true", *settings) for word in ("--set", one)]
    served = ("--api-versions", api) if api else ()
    text = cluster.run_helm("template", release, str(chart), *sets, *served)
    objects = [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]
    return [one for one in objects if one["kind"].startswith("MutatingAdmission")]


@pytest.fixture(scope="module")
def place(cluster: Cluster, chart: Path) -> Iterator[Namespace]:
    install_crds(cluster)
    with fresh(cluster, "tokenfleet-sidecar") as namespace:
        label = "sidecarInjection.namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name"
        repository, _, digest = IMAGE.partition("@")
        policies = rendered(
            cluster,
            chart,
            f"router.image.repository={repository}",
            f"router.image.digest={digest}",
            f"{label}={namespace.name}",
            release=namespace.name[:30].rstrip("-"),
        )
        assert len(policies) == 2
        everywhere = cluster.namespace("default")
        namespace.apply(ROUTER, MANAGED)
        for one in policies:
            everywhere.run("create", "-f", "-", stdin=json.dumps(one))
        try:
            wait_for("the policy to act", lambda: _acts(namespace), timeout=180)
            yield namespace
        finally:
            for one in policies:
                everywhere.run("delete", one["kind"], one["metadata"]["name"], "--ignore-not-found")


def admitted(namespace: Namespace, body: dict[str, Any]) -> dict[str, Any]:
    """Return a pod as the API server would store it."""
    text = namespace.run(
        "create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(body)
    )
    found: dict[str, Any] = json.loads(text)
    return found


def _acts(namespace: Namespace) -> bool | NotYet:
    found = admitted(namespace, pod())
    return bool(found["spec"].get("initContainers")) or NotYet("nothing injected")


def printed() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(snippet(ROUTER_STORED, IMAGE, fixed_ids=True))
    return found


ROUTER_STORED = {**ROUTER, "metadata": {**ROUTER["metadata"], "namespace": "any"}}


def _merged_by_hand(base: dict[str, Any]) -> dict[str, Any]:
    """Return the pod with the printed snippet in it, without the label that asks for injection."""
    addition = printed()["spec"]
    spec = {
        **base["spec"],
        "initContainers": [*addition["initContainers"], *base["spec"].get("initContainers", [])],
        "volumes": [*base["spec"].get("volumes", []), *addition["volumes"]],
    }
    return {**base, "spec": spec}


def _without_default_token(found: dict[str, Any]) -> dict[str, Any]:
    """Return the spec without the volume whose name the API server draws."""
    spec: dict[str, Any] = json.loads(json.dumps(found["spec"]))
    spec["volumes"] = [v for v in spec["volumes"] if not v["name"].startswith("kube-api-access-")]
    for container in (*spec["initContainers"], *spec["containers"]):
        mounts = container.get("volumeMounts", [])
        kept = [m for m in mounts if not m["name"].startswith("kube-api-access-")]
        container["volumeMounts"] = kept
    return spec


@pytest.mark.parametrize(
    "base",
    [
        pytest.param(pod(), id="a plain pod"),
        pytest.param(
            pod(
                initContainers=[{**pod()["spec"]["containers"][0], "name": "first"}],
                volumes=[{"name": "own", "emptyDir": {}}],
            ),
            id="a pod with init containers and volumes",
        ),
    ],
)
def test_the_policy_adds_what_the_command_prints(place: Namespace, base: dict[str, Any]) -> None:
    injected = admitted(place, base)
    by_hand = admitted(place, _merged_by_hand(base))

    assert _without_default_token(injected) == _without_default_token(by_hand)
    names = [one["name"] for one in injected["spec"]["initContainers"]]
    assert names[:2] == ["tokenfleet-agent", "tokenfleet-envoy"]


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({}, id="no label"),
        pytest.param({"tokenfleet.dev/router": "nobody"}, id="a router that does not exist"),
        pytest.param({"tokenfleet.dev/router": "managed"}, id="a router with pods of its own"),
        pytest.param(
            {
                "tokenfleet.dev/router": "beside",
                "app.kubernetes.io/managed-by": "tokenfleet",
            },
            id="a pod of the operator's",
        ),
    ],
)
def test_other_pods_are_left_alone(place: Namespace, labels: dict[str, str]) -> None:
    body = pod()
    body["metadata"]["labels"] = labels

    assert "initContainers" not in admitted(place, body)["spec"]


def test_the_policy_is_made_only_where_the_api_is_served(cluster: Cluster, chart: Path) -> None:
    beta = API.replace("v1", "v1beta1")

    assert {one["apiVersion"] for one in rendered(cluster, chart)} == {
        "admissionregistration.k8s.io/v1"
    }
    assert {one["apiVersion"] for one in rendered(cluster, chart, api=beta)} == {
        "admissionregistration.k8s.io/v1beta1"
    }
    assert rendered(cluster, chart, api="") == []
    assert rendered(cluster, chart, "sidecarInjection.enabled=false") == []
