"""What tests read within their process is what `kubectl get -o json` shows."""

import json
from typing import Any

import pytest

from e2e.kit.kubectl import CommandError, Namespace


def shown(namespace: Namespace, *arguments: str) -> Any:
    """Return what kubectl prints."""
    return json.loads(namespace.run("get", *arguments, "-o", "json"))


def ours(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what this test made, and definitions, in an order of their own."""
    made = [o for o in found if o["metadata"]["name"] != "kube-root-ca.crt"]
    return sorted(made, key=lambda o: (o["kind"], o["metadata"]["name"]))


@pytest.fixture(autouse=True)
def objects(namespace: Namespace) -> None:
    """Two ConfigMaps and a route, so that each list holds something."""
    for name in ("one", "two"):
        namespace.apply({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"which": name}}, "data": {"is": name},
        })  # fmt: skip
    namespace.apply({
        "apiVersion": "tokenfleet.dev/v1alpha1", "kind": "ModelRoute",
        "metadata": {"name": "chat"},
        "spec": {
            "parentRefs": [{"name": "default"}],
            "modelNames": ["chat"],
            "rules": [{"name": "all", "backendRefs": [{"name": "large"}]}],
        },
    })  # fmt: skip


@pytest.mark.parametrize(
    "kinds",
    ["configmaps", "cm", "ConfigMap", "cm,modelroutes", "mroute", "modelroute.tokenfleet.dev",
     "tokenfleet", "crd"],
)  # fmt: skip
def test_a_list_is_what_kubectl_shows(namespace: Namespace, kinds: str) -> None:
    listed, items = ours(namespace.list(kinds)), ours(shown(namespace, kinds)["items"])

    assert listed == items != []


def test_a_selector_narrows_the_list(namespace: Namespace) -> None:
    (found,) = namespace.list("configmaps", "which=two")

    assert found == shown(namespace, "configmap", "two")


@pytest.mark.parametrize(("kind", "name"), [("cm", "one"), ("modelroute", "chat")])
def test_an_object_is_what_kubectl_shows(namespace: Namespace, kind: str, name: str) -> None:
    assert namespace.get(kind, name) == shown(namespace, kind, name)
    assert namespace.must_get(kind, name)["metadata"]["name"] == name


def test_what_is_not_there_is_none_or_an_error_as_asked(namespace: Namespace) -> None:
    assert namespace.get("pod", "nobody") is None
    with pytest.raises(CommandError, match='"nobody" not found'):
        namespace.must_get("pod", "nobody")


def test_an_unknown_kind_and_a_refusal_are_said_as_kubectl_says_them(namespace: Namespace) -> None:
    with pytest.raises(CommandError, match='doesn\'t have a resource type "zebra"'):
        namespace.get("zebra", "one")
    with pytest.raises(CommandError, match='User "bob" cannot get resource "pods"'):
        namespace.as_user("bob").get("pod", "one")
