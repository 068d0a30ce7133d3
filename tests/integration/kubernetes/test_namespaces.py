"""An operator whose rights end at two namespaces, and one of them goes: the real API server says 403."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from e2e.kit import repository
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.ports import free_port
from tests.integration.kubernetes.conftest import OperatorProcess, eventually
from tests.integration.kubernetes.test_operator import (
    PATIENCE,
    condition,
    existing_pool,
    get,
    models,
    route,
    router,
    service,
)

CHART = repository() / "charts" / "tokenfleet" / "templates"
RBAC = "rbac.authorization.k8s.io"
ACCOUNT = "bounded"

Start = Callable[[str], OperatorProcess]


def rules(template: str) -> list[dict[str, Any]]:
    """Return the rules of the chart's operator role, with those that a value switches on."""
    text = (CHART / template).read_text().partition("\nrules:\n")[2]
    plain = [line for line in text.splitlines() if not line.startswith("{{")]
    found: list[dict[str, Any]] = yaml.safe_load("\n".join(plain))
    return found


def rights(namespace: str, account: Namespace) -> list[dict[str, Any]]:
    """Return a Role with what the chart gives, and its binding."""
    lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]}
    metadata = {"name": ACCOUNT, "namespace": namespace}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": account.name}
    return [
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [*rules("role-operator.yaml"), lease],
        },
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": ACCOUNT},
            "subjects": [subject],
        },
    ]


def bounded(cluster: Cluster, home: Namespace, folder: Path) -> Path:
    """Return a kubeconfig of the account."""
    config = json.loads(home.run("config", "view", "--raw", "--minify", "-o", "json"))
    token = home.run("create", "token", ACCOUNT, "--duration=1h").strip()
    for user in config["users"]:
        user["user"] = {"token": token}
    file = folder / "kubeconfig"
    file.write_text(json.dumps(config))
    assert cluster.kubeconfig != file
    return file


@pytest.fixture
def places(cluster: Cluster) -> Iterator[tuple[Namespace, Namespace]]:
    with fresh(cluster, "watched-a") as a, fresh(cluster, "watched-b") as b:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
        a.apply(account)
        for namespace in (a, b):
            namespace.apply(*rights(namespace.name, a), existing_pool("first"))
        yield a, b


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(
    cluster: Cluster, places: tuple[Namespace, Namespace], port: int, tmp_path: Path
) -> Iterator[Start]:
    kubeconfig = bounded(cluster, places[0], tmp_path)
    running: list[OperatorProcess] = []

    def run(name: str) -> OperatorProcess:
        names = [namespace.name for namespace in places]
        log = tmp_path / f"{name}.log"
        running.append(OperatorProcess(kubeconfig, names, name, log, probes=port))
        return running[-1]

    yield run
    for process in running:
        process.end()


def judged(namespace: Namespace, pool: str) -> bool:
    return bool(condition(namespace, f"servingpool/{pool}", "Accepted"))


def ready(port: int) -> tuple[int, str]:
    try:
        answer = httpx.get(
            f"http://127.0.0.1:{port}/readyz?verbose", trust_env=False, timeout=PATIENCE
        )
    except httpx.TransportError as error:
        return 0, str(error)
    return answer.status_code, answer.text


def test_a_namespace_that_is_deleted_takes_nothing_from_the_others(
    places: tuple[Namespace, Namespace], start: Start, port: int
) -> None:
    a, b = places
    first = start("first")
    for namespace in places:
        eventually(lambda namespace=namespace: judged(namespace, "first"))

    # While it runs.
    a.delete("namespace", b.name, "--wait=true")
    a.apply(existing_pool("second"))
    eventually(lambda: judged(a, "second"))
    assert first.process.poll() is None

    # When it starts.
    first.end()
    start("next")
    a.apply(existing_pool("third"))
    eventually(lambda: judged(a, "third"))
    status, said = eventually(lambda: (found := ready(port))[0] == 200 and found)
    assert f"[-]namespace {b.name}: " in said
    assert "forbidden" in said
    assert f"namespace {a.name}" not in said

    # And when it is there again, with its rights.
    b.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": b.name}})
    b.apply(*rights(b.name, a), existing_pool("again"))
    eventually(lambda: judged(b, "again"))
    eventually(lambda: f"namespace {b.name}" not in ready(port)[1])
    assert status == 200


def test_a_router_of_one_namespace_carries_routes_of_another(
    places: tuple[Namespace, Namespace], start: Start
) -> None:
    """With the rights of the chart and no others, under equal names in both."""
    platform, team = places
    named = {"matchLabels": {"kubernetes.io/metadata.name": team.name}}
    open_to = {"namespaces": {"from": "Selector", "selector": named}}
    shared, theirs = router(), route("theirs")
    theirs["spec"]["parentRefs"] = [{"name": "default", "namespace": platform.name}]
    shared["spec"]["allowedRoutes"] = open_to
    for namespace in places:
        namespace.apply(service("large"), existing_pool("large"))
    platform.apply(shared, route("ours"))
    team.apply(theirs)
    start("first")

    eventually(lambda: sorted(models(platform)) == ["ours", "theirs"])
    data = get(platform, "configmap/default-config")["data"]["config"]
    pools = {pool["name"]: pool["service"] for pool in json.loads(data)["config"]["pools"]}
    assert pools == {"large": "large", f"{team.name}/large": f"{team.name}/large"}
    (subject,) = eventually(lambda: get(team, "rolebinding/chat-guests").get("subjects"))
    assert (subject["namespace"], subject["name"]) == (platform.name, "default-router")
    eventually(lambda: condition(team, "modelroute/chat", "Accepted").get("status") == "True")
    (parent,) = get(team, "modelroute/chat")["status"]["parents"]
    assert parent["parentRef"] == {"name": "default", "namespace": platform.name}

    platform.patch("modelrouter", "default", {"spec": {"allowedRoutes": None}})

    def refused() -> bool:
        found = condition(team, "modelroute/chat", "Accepted")
        return bool(found.get("reason") == "NotAllowedByRouter")

    eventually(refused)
    eventually(lambda: models(platform) == ["ours"])
    eventually(lambda: not get(team, "rolebinding/chat-guests"))
