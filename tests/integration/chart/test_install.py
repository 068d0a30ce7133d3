"""A real installation: the operator's pods, its images and exactly the chart's roles.

It watches its own namespace only, so that it minds nobody else's objects in the cluster.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.waiting import wait_for

pytestmark = pytest.mark.cluster

RELEASE = "fleet"
NAME = "fleet-tokenfleet"
POOL = {
    "apiVersion": "tokenfleet.dev/v1alpha1",
    "kind": "ServingPool",
    "metadata": {"name": "adopted"},
    "spec": {
        "type": "Existing",
        "served": {"modelName": "m"},
        "existing": {"serviceRef": {"name": "missing", "port": 8000}},
    },
}


class Release:
    """One release of the chart in a namespace of its own."""

    def __init__(self, namespace: Namespace, chart: Path) -> None:
        self.namespace = namespace
        self._chart = chart
        self.user = f"system:serviceaccount:{namespace.name}:{NAME}"

    def helm(self, verb: str, *arguments: str) -> str:
        return self.namespace.cluster.run_helm(
            verb, RELEASE, *arguments, "--namespace", self.namespace.name
        )

    def apply(self, verb: str, **values: Any) -> None:
        """Install or upgrade, and wait until both pods are ready."""
        settings = {
            "watch": {"namespaces": [self.namespace.name]},
            "crds": {"install": False},
            "rbac": {"aggregate": False},
            "resources": {"requests": {"cpu": "20m"}},
            **values,
        }
        words = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
        flags = [flag for word in words for flag in ("--set-json", word)]
        self.helm(verb, str(self._chart), *flags, "--wait", "--timeout=300s")

    def may(self, verb: str, what: str, *, namespace: str = "") -> bool:
        """Ask the API server whether the operator may do something."""
        place = self.namespace.cluster.namespace(namespace or self.namespace.name)
        kind, _, below = what.partition("/")
        words = [verb, kind, *([f"--subresource={below}"] if below else [])]
        answer = place.as_user(self.user).run("auth", "can-i", *words, accept=(0, 1))
        return answer.strip() == "yes"

    def ready(self, name: str) -> dict[str, Any] | None:
        """Return the condition Ready of a pool, None while there is none."""
        pool = self.namespace.must_get("servingpool", name)
        conditions = pool.get("status", {}).get("conditions", ())
        return next((one for one in conditions if one["type"] == "Ready"), None)


@pytest.fixture(scope="module")
def release(cluster: Cluster, chart: Path) -> Iterator[Release]:
    with fresh(cluster, "tokenfleet-chart") as namespace:
        found = Release(namespace, chart)
        found.apply("install")
        yield found
        found.helm("uninstall", "--ignore-not-found", "--wait")


def test_the_operator_answers_for_a_pool_under_the_charts_roles(release: Release) -> None:
    release.namespace.apply(POOL)

    ready = wait_for("an answer", lambda: release.ready("adopted"), timeout=180)

    assert ready["reason"] == "ServiceNotFound"
    assert "missing" in ready["message"]


@pytest.mark.parametrize(
    ("verb", "what", "allowed"),
    [
        ("patch", "servingpools.tokenfleet.dev/status", True),
        ("patch", "servingpools.tokenfleet.dev", False),
        ("update", "tokenslos.tokenfleet.dev", False),
        ("delete", "modelroutes.tokenfleet.dev", False),
        ("create", "deployments.apps", True),
        ("create", "pods", False),
        ("get", "pods/log", False),
        ("create", "pods/exec", False),
        ("get", "secrets", False),
        ("escalate", "roles.rbac.authorization.k8s.io", False),
        ("bind", "roles.rbac.authorization.k8s.io", False),
        ("impersonate", "serviceaccounts", False),
    ],
)
def test_the_operator_may_do_what_it_needs_and_no_more(
    release: Release, verb: str, what: str, *, allowed: bool
) -> None:
    assert release.may(verb, what) is allowed
    assert not release.may(verb, what, namespace="default")


def test_one_of_two_replicas_leads(release: Release) -> None:
    pods = {pod["metadata"]["name"] for pod in release.namespace.list("pods")}
    lease = release.namespace.must_get("lease", NAME)

    assert len(pods) == 2
    assert [pod for pod in pods if lease["spec"]["holderIdentity"].startswith(pod)]


def test_a_router_gets_rights_of_its_own_without_escalation(release: Release) -> None:
    """The API server lets the operator make only a Role within its own rights."""
    release.namespace.apply(
        {
            "apiVersion": "tokenfleet.dev/v1alpha1",
            "kind": "ModelRouter",
            "metadata": {"name": "edge"},
            "spec": {"managed": {"replicas": 1, "resources": {"requests": {"cpu": "10m"}}}},
        }
    )
    role = wait_for("a Role", lambda: release.namespace.get("role", "edge-router"), timeout=180)
    try:
        for rule in role["rules"]:
            assert set(rule["verbs"]) <= {"get", "list", "watch"}
            assert set(rule["resources"]) <= {"configmaps", "endpointslices"}
            if "configmaps" in rule["resources"]:
                assert rule["resourceNames"] == ["edge-config"]
    finally:
        release.namespace.delete("modelrouter", "edge")


def test_an_upgrade_changes_what_it_says_and_nothing_else(release: Release) -> None:
    before = release.namespace.must_get("deployment", NAME)
    release.apply("upgrade")
    same = release.namespace.must_get("deployment", NAME)
    release.apply("upgrade", trafficShifting={"enabled": False})
    after = release.namespace.must_get("deployment", NAME)

    assert same["metadata"]["generation"] == before["metadata"]["generation"]
    arguments = after["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--disable-shifting" in arguments


def test_uninstalling_leaves_the_users_objects(release: Release) -> None:
    release.helm("uninstall", "--wait")

    assert release.namespace.get("deployment", NAME) is None
    assert release.namespace.get("servingpool", "adopted") is not None
    assert release.namespace.get("crd", "servingpools.tokenfleet.dev") is not None
