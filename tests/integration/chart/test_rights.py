"""Rights: the operator's, the users', and what its pod may do."""

import json
from typing import Any

import pytest

from e2e.kit.kubectl import Cluster
from e2e.kit.namespaces import fresh, wait_account
from tests.integration.chart.conftest import Render
from tokenfleet.api.conventions import GROUP
from tokenfleet.api.v1alpha1.kinds import KINDS

pytestmark = pytest.mark.cluster

ESCALATING = {"escalate", "bind", "impersonate", "approve", "sign"}
OPERATOR_READS_ONLY = {"pods", "endpointslices", *(kind.plural for kind, _ in KINDS)}


def _roles(objects: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {
        one["metadata"]["name"]: one["rules"]
        for one in objects
        if one["kind"] in {"ClusterRole", "Role"}
    }


@pytest.mark.parametrize("settings", [(), ("watch.namespaces={a}",)], ids=["cluster", "namespaced"])
def test_no_role_has_wildcards_secrets_or_ways_up(render: Render, settings: tuple[str]) -> None:
    for rules in _roles(render(*settings)).values():
        for rule in rules:
            words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert "*" not in "".join(words)
            assert not ESCALATING & set(rule["verbs"])
            assert not [one for one in rule["resources"] if one.startswith("secrets")]
            assert not [one for one in rule["resources"] if one.startswith("pods/")]


def test_the_operator_never_writes_what_users_own(render: Render) -> None:
    for rule in _roles(render())["tokenfleet"]:
        for resource in OPERATOR_READS_ONLY & set(rule["resources"]):
            assert set(rule["verbs"]) <= {"get", "list", "watch"}, resource


def test_the_operator_holds_what_a_routers_role_holds(render: Render) -> None:
    """Otherwise the API server would refuse the Role as an escalation."""
    rules = _roles(render())["tokenfleet"]

    def verbs(group: str, resource: str) -> set[str]:
        held = (r["verbs"] for r in rules if group in r["apiGroups"] and resource in r["resources"])
        return {verb for some in held for verb in some}

    assert verbs("", "configmaps") >= {"get", "list", "watch"}
    assert verbs("discovery.k8s.io", "endpointslices") >= {"get", "list", "watch"}


def test_namespaced_rights_end_at_the_watched_namespaces(render: Render) -> None:
    objects = render("watch.namespaces={team-a,team-b}")
    bound = {
        one["metadata"]["namespace"]
        for one in objects
        if one["kind"] == "RoleBinding" and one["roleRef"]["name"] == "tokenfleet"
    }

    assert bound == {"team-a", "team-b"}
    assert "ClusterRoleBinding" not in {one["kind"] for one in objects}


def test_people_get_what_their_role_says(render: Render) -> None:
    """Viewers read, editors write all but routers, admins write routers too; nobody writes status."""
    roles = _roles(render())
    kinds = {kind.plural for kind, _ in KINDS}
    written = {
        name: {resource for rule in roles[f"tokenfleet-{name}"] for resource in rule["resources"]}
        for name in ("edit", "admin")
    }

    assert {verb for rule in roles["tokenfleet-view"] for verb in rule["verbs"]} == {
        "get",
        "list",
        "watch",
    }
    assert {r for rule in roles["tokenfleet-view"] for r in rule["resources"]} >= kinds
    assert written["edit"] == kinds - {"modelrouters"} | {"servingpools/scale"}
    assert written["admin"] == {"modelrouters", "modelrouters/scale"}
    assert {
        group for rules in (roles["tokenfleet-edit"],) for r in rules for group in r["apiGroups"]
    } == {GROUP}


def test_roles_are_not_aggregated_when_switched_off(render: Render) -> None:
    assert set(_roles(render("rbac.aggregate=false"))) == {"tokenfleet", "tokenfleet-leader"}


def test_the_pod_runs_in_a_restricted_namespace(cluster: Cluster, render: Render) -> None:
    """The API server's own Pod Security admission judges the pod template."""
    template = next(one for one in render() if one["kind"] == "Deployment")["spec"]["template"]
    spec = {**template["spec"], "serviceAccountName": "default"}
    with fresh(cluster, "tokenfleet-chart") as namespace:
        wait_account(namespace)
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "operator", "labels": template["metadata"]["labels"]},
            "spec": spec,
        }
        accepted = namespace.run(
            "create", "--dry-run=server", "-o", "name", "-f", "-", stdin=json.dumps(pod)
        )
        container = spec["containers"][0]
        weaker = {**container, "securityContext": {}}
        refusal = namespace.refusal({**pod, "spec": {**spec, "containers": [weaker]}})

    assert accepted.strip() == "pod/operator"
    assert "violates PodSecurity" in refusal


def test_the_pod_is_bounded_probed_and_read_only(render: Render) -> None:
    deployment = next(one for one in render() if one["kind"] == "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    container = spec["containers"][0]

    assert deployment["spec"]["replicas"] == 2
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "probes"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "probes"}
    assert container["resources"]["limits"]["memory"]
    assert spec["topologySpreadConstraints"]
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["enableServiceLinks"] is False
