"""The store only ever moves forward, and wakes exactly the readers of what changed."""

from typing import Any

import pytest

from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.reconcilers.store import Store, slim


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
    notes = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}
    body = obj(
        "ServingPool",
        "a",
        1,
        metadata={"managedFields": [{"manager": "kubectl", "fieldsV1": {}}], "annotations": notes},
    )

    metadata = slim(body)["metadata"]

    assert "managedFields" not in metadata
    assert metadata["annotations"] == {"mine": "1"}
    assert "managedFields" in body["metadata"]
