"""The store only ever moves forward, and wakes exactly the readers of what changed."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.domain.fleet.slim import slim, slim_slice
from tokenfleet.reconcilers.store import Store


def obj(kind: str, name: str, version: int, **more: Any) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": "ns",
        "uid": f"{kind}-{name}",
        "resourceVersion": str(version),
        "generation": version,
        **more.pop("metadata", {}),
    }
    return {"apiVersion": "x/v1", "kind": kind, "metadata": metadata, **more}


def route(version: int, *pools: str, parent: str = "default") -> dict[str, Any]:
    rules = [{"name": "main", "backendRefs": [{"name": pool} for pool in pools]}]
    spec = {"parentRefs": [{"name": parent}], "rules": rules}
    return obj("ModelRoute", "chat", version, spec=spec)


def key(kind: str, name: str) -> ObjectKey:
    return ObjectKey(kind, "ns", name)


@pytest.fixture
def woken() -> list[ObjectKey]:
    return []


@pytest.fixture
def store(woken: list[ObjectKey]) -> Store:
    return Store(woken.append)


def test_an_older_copy_never_replaces_a_newer_one(store: Store, woken: list[ObjectKey]) -> None:
    store.put(obj("ServingPool", "a", 7))
    woken.clear()

    assert not store.put(obj("ServingPool", "a", 6))
    assert not store.put(obj("ServingPool", "a", 7))
    assert woken == []
    assert store.get(key("ServingPool", "a"))["metadata"]["resourceVersion"] == "7"


def test_versions_compare_as_numbers(store: Store) -> None:
    store.put(obj("ServingPool", "a", 99))

    assert store.put(obj("ServingPool", "a", 100))


def test_a_slice_wakes_its_pool_and_the_routers_that_use_it(
    store: Store, woken: list[ObjectKey]
) -> None:
    store.put(obj("ServingPool", "large", 1, spec={"type": "Managed"}))
    store.put(route(2, "large"))
    woken.clear()

    labels = {"kubernetes.io/service-name": "large"}
    store.put(obj("EndpointSlice", "large-x", 3, metadata={"labels": labels}))

    assert set(woken) == {key("ServingPool", "large"), key("ModelRouter", "default")}


def test_an_existing_pool_is_woken_by_the_service_it_names(
    store: Store, woken: list[ObjectKey]
) -> None:
    spec = {"type": "Existing", "existing": {"serviceRef": {"name": "vllm", "port": 8000}}}
    store.put(obj("ServingPool", "large", 1, spec=spec))
    woken.clear()

    store.put(obj("Service", "vllm", 2))

    assert woken == [key("ServingPool", "large")]


def test_a_route_that_moves_to_another_router_wakes_both(
    store: Store, woken: list[ObjectKey]
) -> None:
    store.put(route(1, "large", parent="old"))
    woken.clear()

    store.put(route(2, "large", parent="new"))

    assert {key("ModelRouter", "old"), key("ModelRouter", "new")} <= set(woken)


def test_an_objective_wakes_the_router_of_its_route(store: Store, woken: list[ObjectKey]) -> None:
    store.put(route(1, "large"))
    woken.clear()

    store.put(obj("TokenSLO", "ttft", 2, spec={"targetRef": {"name": "chat"}}))

    assert set(woken) == {key("TokenSLO", "ttft"), key("ModelRouter", "default")}


def test_a_status_change_wakes_the_object_alone(store: Store, woken: list[ObjectKey]) -> None:
    pool = obj("ServingPool", "large", 1, spec={"type": "Managed"})
    store.put(pool)
    store.put(route(2, "large"))
    woken.clear()

    changed = {**pool, "status": {"replicas": 1}}
    changed["metadata"] = {**pool["metadata"], "resourceVersion": "9"}
    store.put(changed)

    assert woken == [key("ServingPool", "large")]


def test_the_writer_of_a_copy_is_not_woken_by_it(store: Store, woken: list[ObjectKey]) -> None:
    owner = {"kind": "ServingPool", "name": "large", "uid": "u", "controller": True}
    child = obj("Deployment", "large", 1, metadata={"ownerReferences": [owner]})

    store.put(child, writer=key("ServingPool", "large"))
    assert woken == []

    child["metadata"]["resourceVersion"] = "2"
    store.put(child)
    assert woken == [key("ServingPool", "large")]


def test_removal_with_another_uid_is_ignored(store: Store) -> None:
    store.put(obj("ServingPool", "large", 1))

    assert not store.remove(key("ServingPool", "large"), uid="other")
    assert store.remove(key("ServingPool", "large"), uid="ServingPool-large")
    assert store.get(key("ServingPool", "large")) is None


def test_references_are_forgotten_with_their_object(store: Store) -> None:
    store.put(route(1, "large"))
    store.put(route(2, "small"))

    assert store.referring(key("ServingPool", "large")) == frozenset()
    assert store.referring(key("ServingPool", "small")) == {key("ModelRoute", "chat")}


def test_copies_are_slim() -> None:
    notes = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "tool": "x" * 200_000}
    body = obj(
        "ServingPool",
        "a",
        1,
        metadata={"managedFields": [{"manager": "kubectl", "fieldsV1": {}}], "annotations": notes},
    )

    metadata = slim(body)["metadata"]

    assert "managedFields" not in metadata
    assert "annotations" not in metadata, "of any size, and nobody reads them"
    assert "managedFields" in body["metadata"]


def test_another_object_under_the_same_name_always_wins(store: Store) -> None:
    """An etcd that was restored counts from lower numbers."""
    store.put(obj("ServingPool", "a", 90000))
    again = obj("ServingPool", "a", 500, metadata={"uid": "another"})

    assert store.put(again)
    assert store.get(key("ServingPool", "a"))["metadata"]["uid"] == "another"


def test_the_servers_own_answer_wins_over_larger_numbers_in_memory(store: Store) -> None:
    store.put(obj("ServingPool", "a", 90000))

    assert not store.put(obj("ServingPool", "a", 500))
    assert store.put(obj("ServingPool", "a", 500), authoritative=True)
    assert not store.put(obj("ServingPool", "a", 500), authoritative=True), "no news"


def existing(version: int, service: str) -> dict[str, Any]:
    spec = {"type": "Existing", "existing": {"serviceRef": {"name": service, "port": 8000}}}
    return obj("ServingPool", "large", version, spec=spec)


def slice_of(service: str, version: int = 1) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": service}
    return obj("EndpointSlice", f"{service}-x", version, metadata={"labels": labels})


def test_services_and_slices_that_nobody_names_are_let_go(store: Store) -> None:
    store.put(existing(1, "vllm"))
    for name in ("vllm", "shop", "bank"):
        store.put(obj("Service", name, 2))
        store.put(slice_of(name))

    assert store.keys("Service") == {key("Service", "vllm")}
    assert store.keys("EndpointSlice") == {key("EndpointSlice", "vllm-x")}


def test_a_service_of_ours_is_kept_whoever_names_it(store: Store) -> None:
    ours = {"labels": {"app.kubernetes.io/managed-by": "tokenfleet"}}

    assert store.put(obj("Service", "default-router", 1, metadata=ours))


def test_what_is_not_named_any_more_is_let_go(store: Store, woken: list[ObjectKey]) -> None:
    store.put(existing(1, "vllm"))
    store.put(obj("Service", "vllm", 2))
    store.put(slice_of("vllm"))
    store.now_whole(key("Service", "vllm"))

    store.put(existing(3, "other"))

    assert store.keys("Service") == set()
    assert store.keys("EndpointSlice") == set()
    assert not store.is_whole(key("Service", "vllm")), "named again, it has to be fetched again"
    assert store.referring(key("Service", "other")) == {key("ServingPool", "large")}


def test_equal_words_are_one_string_and_what_is_unique_is_left_as_it_came() -> None:
    """Conditions of ten thousand objects say the same few words."""
    text = '{"type": "Ready", "reason": "ReplicasReady", "message": "2 of 2"}'
    copies = [
        slim({**obj("ServingPool", name, 1), "status": {"conditions": [json.loads(text)]}})
        for name in ("a", "b")
    ]
    (one,), (other,) = (copy["status"]["conditions"] for copy in copies)

    assert one == other == json.loads(text)
    assert one["reason"] is other["reason"]
    assert all(a is b for a, b in zip(one, other, strict=True)), "names of fields"
    assert one["message"] is not other["message"]


def test_of_a_deployment_its_pod_template_is_not_kept() -> None:
    status = {"replicas": 2, "observedGeneration": 3}
    spec = {"replicas": 2, "template": {"spec": {"containers": []}}}
    body = {**obj("Deployment", "a", 1), "spec": spec, "status": status}
    body["metadata"] |= {"generation": 3, "deletionTimestamp": "2026-01-01T00:00:00Z"}

    kept = slim(body)

    assert kept["spec"] == {"replicas": 2}
    assert kept["status"] == status
    assert kept["metadata"]["generation"] == 3
    assert "deletionTimestamp" in kept["metadata"]


def test_a_copy_is_read_once_and_again_when_it_is_another() -> None:
    store, seen = Store(lambda _: None), []

    def name(body: Mapping[str, Any]) -> str | None:
        seen.append(body["metadata"]["resourceVersion"])
        return body["metadata"]["name"] if body["metadata"]["name"] != "left-out" else None

    for each in ("a", "b", "left-out"):
        store.put(obj("ServingPool", each, 1))
    assert store.read_all("ServingPool", name) == store.read_all("ServingPool", name) == ["a", "b"]
    assert len(seen) == 3

    store.put(obj("ServingPool", "b", 2))
    store.remove(key("ServingPool", "a"))

    assert store.read_all("ServingPool", name) == ["b"]
    assert len(seen) == 4


def test_slices_keep_what_is_read() -> None:
    endpoint = {
        "addresses": ["10.0.0.1", "10.0.0.2"],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "targetRef": {"kind": "Pod", "name": "p", "uid": "u"},
        "nodeName": "n",
        "zone": "z",
    }
    ports = [{"name": "http", "port": 8000, "protocol": "TCP", "appProtocol": "http"}]
    body = slice_of("vllm") | {"addressType": "IPv4", "ports": ports, "endpoints": [endpoint]}
    body["metadata"]["annotations"] = {"endpoints.kubernetes.io/last-change-trigger-time": "x"}

    kept = slim(body)

    assert kept["endpoints"] == [
        {
            "addresses": ["10.0.0.1"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "name": "p", "uid": "u"},
        }
    ]
    assert "targetRef" not in slim_slice(body, pods=False)["endpoints"][0]
    assert kept["ports"] == [{"name": "http", "port": 8000, "protocol": "TCP"}]
    assert "annotations" not in kept["metadata"]
    assert body["endpoints"][0]["nodeName"] == "n"
