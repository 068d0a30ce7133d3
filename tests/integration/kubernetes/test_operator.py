"""Operators as processes against a real API server: who leads, who writes, and whose fields."""

import contextlib
import json
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx

from e2e.kit.kubectl import Namespace
from tests.integration.kubernetes.conftest import OperatorProcess, eventually

API = "tokenfleet.dev/v1alpha1"
Start = Callable[..., OperatorProcess]
PATIENCE = 60.0
"""Seconds for an answer of an operator on a busy machine."""


def existing_pool(name: str) -> dict[str, Any]:
    spec = {
        "type": "Existing",
        "served": {"modelName": name},
        "existing": {"serviceRef": {"name": name, "port": 8000}},
    }
    return {"apiVersion": API, "kind": "ServingPool", "metadata": {"name": name}, "spec": spec}


def service(name: str) -> dict[str, Any]:
    spec = {"ports": [{"port": 8000}], "selector": {"app": "nobody"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def router() -> dict[str, Any]:
    resources = {"requests": {"cpu": "10m", "memory": "32Mi"}}
    spec = {"managed": {"replicas": 1, "resources": resources, "drainTimeout": "1s"}}
    return {"apiVersion": API, "kind": "ModelRouter", "metadata": {"name": "default"}, "spec": spec}


def route(*models: str) -> dict[str, Any]:
    spec = {
        "parentRefs": [{"name": "default"}],
        "modelNames": list(models),
        "rules": [{"name": "main", "backendRefs": [{"name": "large"}]}],
    }
    return {"apiVersion": API, "kind": "ModelRoute", "metadata": {"name": "chat"}, "spec": spec}


def slo() -> dict[str, Any]:
    spec = {
        "targetRef": {"name": "chat", "sectionName": "main"},
        "objective": {"type": "Latency", "latency": {"threshold": "500ms", "target": "0.95"}},
    }
    return {"apiVersion": API, "kind": "TokenSLO", "metadata": {"name": "ttft"}, "spec": spec}


FLEET = (service("large"), existing_pool("large"), router(), route("chat"), slo())
KINDS = ("servingpool/large", "modelrouter/default", "modelroute/chat", "tokenslo/ttft")


def get(namespace: Namespace, what: str) -> dict[str, Any]:
    kind, _, name = what.partition("/")
    return namespace.get(kind, name) or {}


def condition(namespace: Namespace, what: str, type_: str) -> dict[str, Any]:
    found = get(namespace, what).get("status", {}).get("conditions", ())
    return next((item for item in found if item["type"] == type_), {})


def models(namespace: Namespace) -> list[str]:
    data = get(namespace, "configmap/default-config").get("data", {})
    routes = json.loads(data["config"])["config"]["routes"] if data else []
    return [name for found in routes for name in found["model_names"]]


def managed(namespace: Namespace, what: str) -> dict[str, dict[str, Any]]:
    """Return field manager -> the fields it owns."""
    kind, _, name = what.partition("/")
    text = namespace.run("get", kind, name, "-o", "json", "--show-managed-fields")
    entries = json.loads(text)["metadata"]["managedFields"]
    return {entry["manager"]: entry["fieldsV1"] for entry in entries}


def test_the_operator_owns_status_and_nothing_that_users_write(
    namespace: Namespace, operator: Start
) -> None:
    """Re-applying the same manifests is an empty diff, whatever the operator has done since."""
    namespace.apply(*FLEET, server_side=True)
    operator("a")
    for what in KINDS:
        eventually(lambda what=what: condition(namespace, what, "Ready"))
    eventually(lambda: models(namespace))

    for what in KINDS:
        ours = {m: f for m, f in managed(namespace, what).items() if m.startswith("tokenfleet")}
        assert ours.keys() == {"tokenfleet/status"}
        assert ours["tokenfleet/status"].keys() == {"f:status"}
        assert get(namespace, what)["metadata"]["generation"] == 1
    assert namespace.differences(*FLEET) == ""


def test_the_console_shows_the_fleet_on_a_port_of_its_own(
    namespace: Namespace, operator: Start
) -> None:
    namespace.apply(*FLEET)
    console = f"http://127.0.0.1:{operator('a').console}"

    def shown() -> set[str]:
        with contextlib.suppress(httpx.TransportError):
            fleet = httpx.get(f"{console}/api/fleet", trust_env=False, timeout=PATIENCE).json()
            return {one["name"] for kind in ("routes", "pools") for one in fleet.get(kind, ())}
        return set()

    eventually(lambda: shown() == {"chat", "large"})
    page = httpx.get(console, trust_env=False, timeout=PATIENCE)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    refused = httpx.post(f"{console}/api/fleet", trust_env=False, timeout=PATIENCE)
    assert refused.status_code == 405


def test_an_object_of_somebody_else_is_left_alone_and_named(
    namespace: Namespace, operator: Start
) -> None:
    foreign = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "default-config"},
        "data": {"mine": "yes"},
    }
    namespace.apply(foreign, *FLEET)
    operator("a")

    def refused() -> bool:
        found = condition(namespace, "modelrouter/default", "Ready")
        return "default-config" in found.get("message", "")

    eventually(refused)
    stored = get(namespace, "configmap/default-config")
    assert stored["data"] == {"mine": "yes"}
    assert "ownerReferences" not in stored["metadata"]


def test_a_child_that_is_deleted_or_changed_comes_back(
    namespace: Namespace, operator: Start
) -> None:
    namespace.apply(*FLEET)
    operator("a")
    eventually(lambda: get(namespace, "service/default-router"))
    made = eventually(lambda: get(namespace, "deployment/default-router"))
    before = made["spec"]["replicas"]

    namespace.delete("service", "default-router", "--wait=true")
    namespace.patch("deployment", "default-router", {"spec": {"replicas": 0}})

    eventually(lambda: get(namespace, "service/default-router"))
    eventually(lambda: get(namespace, "deployment/default-router")["spec"]["replicas"] == before)


def test_the_follower_takes_over_at_once_when_the_leader_is_told_to_stop(
    namespace: Namespace, operator: Start
) -> None:
    namespace.apply(*FLEET)
    first = operator("a")
    eventually(first.leads)
    second = operator("b")
    eventually(lambda: "waiting for lease" in second.logged())
    eventually(lambda: models(namespace) == ["chat"])

    assert first.end() == 0
    eventually(second.leads)
    namespace.apply(route("chat", "more"))
    eventually(lambda: models(namespace) == ["chat", "more"])

    lease = get(namespace, "lease/tokenfleet-operator")["spec"]
    assert lease["holderIdentity"].startswith("b_")
    assert lease["leaseTransitions"] >= 1


def test_of_two_operators_one_leaves_the_namespace_alone_until_the_other_is_gone(
    namespace: Namespace, operator: Start
) -> None:
    def of(what: str, field: str) -> str:
        return str(get(namespace, what).get("status", {}).get(field, ""))

    def overlaps(what: str) -> bool:
        return condition(namespace, what, "ManagedByAnother").get("status") == "True"

    one, two = (f"{namespace.name}/{lease}" for lease in ("tokenfleet-operator", "other"))
    namespace.apply(*FLEET)
    first = operator("a")
    for what in KINDS:
        eventually(lambda what=what: of(what, "operator") == one)
    eventually(lambda: get(namespace, "deployment/default-router"))
    operator("b", lease="other")

    for what in KINDS:
        eventually(lambda what=what: overlaps(what))
        assert (of(what, "operator"), of(what, "contender")) == (one, two)
    assert get(namespace, "deployment/default-router")["metadata"]["generation"] == 1

    def told() -> set[str]:
        events = namespace.list("events")
        return {e["involvedObject"]["kind"] for e in events if e["reason"] == "ManagedByAnother"}

    eventually(lambda: told() == {"ServingPool", "ModelRouter", "ModelRoute", "TokenSLO"})

    first.end()
    namespace.delete("lease", "tokenfleet-operator")

    def taken_over() -> bool:
        for what in KINDS:  # a change of an object is looked at before its turn
            namespace.run("annotate", what, "--overwrite",
                          f"looked-at={time.monotonic()}")  # fmt: skip
        return {of(what, "operator") for what in KINDS} == {two}

    eventually(taken_over)
    for what in KINDS:
        eventually(lambda what=what: not overlaps(what) and not of(what, "contender"))


def test_a_leader_that_was_paused_cannot_overwrite_its_successor(
    namespace: Namespace, operator: Start
) -> None:
    """SIGSTOP longer than the lease: the classic way to two leaders."""
    namespace.apply(*FLEET)
    first = operator("a")
    eventually(first.leads)
    eventually(lambda: models(namespace) == ["chat"])
    second = operator("b")
    eventually(lambda: "waiting for lease" in second.logged())

    first.send(signal.SIGSTOP)
    eventually(second.leads)
    namespace.apply(route("chat", "more"))
    eventually(lambda: models(namespace) == ["chat", "more"])
    after = get(namespace, "configmap/default-config")["data"]["config"]
    first.send(signal.SIGCONT)

    eventually(lambda: first.process.poll() is not None)
    assert first.process.returncode == 1
    assert "lost" in first.logged()
    assert get(namespace, "configmap/default-config")["data"]["config"] == after


def test_a_lost_configuration_is_rebuilt_and_people_are_told(
    namespace: Namespace, operator: Start
) -> None:
    namespace.apply(*FLEET)
    operator("a")
    eventually(lambda: get(namespace, "modelroute/chat").get("status", {}).get("rules"))
    router = lambda: get(namespace, "modelrouter/default").get("status", {})  # noqa: E731
    revision = eventually(lambda: router().get("configRevision"))

    namespace.delete("configmap", "default-config")

    eventually(lambda: models(namespace) == ["chat"])
    config = json.loads(get(namespace, "configmap/default-config")["data"]["config"])
    assert config["revision"] >= revision
    eventually(
        lambda: [
            event
            for event in namespace.list("events")
            if event["reason"] == "ConfigLost" and event["involvedObject"]["name"] == "default"
        ]
    )
