"""What the operator relies on in an API server; the fake of the unit tests is held to the same."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import jwt
import pytest
from kubernetes.aio import client

from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.waiting import wait_served
from tests.support.fake_cluster import FakeCluster
from tokenfleet.adapters.kubernetes import KubernetesCluster, connect
from tokenfleet.adapters.kubernetes.tokens import LIFETIME, AgentTokens
from tokenfleet.domain.fleet.field_ownership import (
    CHILDREN_MANAGER,
    claim_of,
    rivals,
    with_claim,
)
from tokenfleet.domain.fleet.proof import audience
from tokenfleet.ports import Cluster as Port
from tokenfleet.ports import ConflictError, NotFoundError, PortError, RefusedError, Resource
from tokenfleet.reconcilers.resources import BY_KIND, CONFIG_MAPS

THING = Resource(group="contract.tokenfleet.dev", version="v1", plural="things", kind="Thing")
"""A kind that no operator watches."""

DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{THING.plural}.{THING.group}"},
    "spec": {
        "group": THING.group,
        "scope": "Namespaced",
        "names": {"plural": THING.plural, "singular": "thing", "kind": THING.kind},
        "versions": [
            {
                "name": THING.version,
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            part: {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                            for part in ("spec", "status")
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture(scope="session")
def served(cluster: Cluster) -> Iterator[Cluster]:
    root = cluster.namespace("default")
    root.apply(DEFINITION)
    wait_served(root, DEFINITION["metadata"]["name"])
    yield cluster
    root.delete("crd", DEFINITION["metadata"]["name"])


@pytest.fixture(params=["fake", "real"])
async def port(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Port, str]]:
    """Return the port and a namespace."""
    if request.param == "fake":
        yield FakeCluster(), "ns"
        return
    served: Cluster = request.getfixturevalue("served")
    namespace: Namespace = request.getfixturevalue("namespace")
    api = await connect(str(served.kubeconfig))
    found = KubernetesCluster(api, [*BY_KIND.values(), THING], namespaces=[namespace.name])
    yield found, namespace.name
    await found.close()


def thing(place: str, name: str = "a", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": place, **fields.pop("metadata", {})}
    version = f"{THING.group}/{THING.version}"
    return {"apiVersion": version, "kind": THING.kind, "metadata": metadata, **fields}


async def test_apply_creates_and_the_same_apply_changes_nothing(port: tuple[Port, str]) -> None:
    cluster, place = port
    body = thing(place, spec={"a": 1, "b": {"c": [1]}})
    first = await cluster.apply(body, manager="one")
    second = await cluster.apply(body, manager="one")

    assert first["metadata"]["generation"] == 1
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_field_left_out_is_given_up_and_those_of_others_stay(
    port: tuple[Port, str],
) -> None:
    cluster, place = port
    await cluster.apply(thing(place, spec={"theirs": 1}), manager="user")
    await cluster.apply(thing(place, spec={"ours": 1, "more": 2}), manager="one")
    last = await cluster.apply(thing(place, spec={"ours": 3}), manager="one")

    assert last["spec"] == {"theirs": 1, "ours": 3}
    assert last["metadata"]["generation"] == 3


async def test_status_is_a_place_of_its_own(port: tuple[Port, str]) -> None:
    cluster, place = port
    made = await cluster.apply(thing(place, spec={"a": 1}), manager="user")
    told = await cluster.apply_status(
        thing(
            place,
            status={"x": "y"},
            metadata={"resourceVersion": made["metadata"]["resourceVersion"]},
        ),
        manager="st",
    )
    again = await cluster.apply(thing(place, spec={"a": 1}, status={"x": "z"}), manager="user")

    assert told["spec"] == {"a": 1}
    assert told["metadata"]["generation"] == 1
    assert again["status"] == {"x": "y"}


async def test_another_manager_adds_to_a_status_and_takes_it_away_again(
    port: tuple[Port, str],
) -> None:
    """As an operator does with an object that another one manages."""
    cluster, place = port
    await cluster.apply(thing(place), manager="a")
    await cluster.apply_status(thing(place, status={"seen": 1}), manager="m")

    await cluster.apply_status(thing(place, status={"contender": "x"}), manager="other")
    written = await cluster.apply_status(thing(place, status={"seen": 2}), manager="m")
    assert written["status"] == {"seen": 2, "contender": "x"}

    left = await cluster.apply_status(thing(place), manager="other")
    assert left["status"] == {"seen": 2}


async def test_the_status_of_nothing_is_not_found(port: tuple[Port, str]) -> None:
    cluster, place = port

    with pytest.raises(NotFoundError):
        await cluster.apply_status(thing(place, status={"x": "y"}), manager="st")


async def test_a_status_for_an_older_version_conflicts(port: tuple[Port, str]) -> None:
    """What was planned for an older spec, or for a namesake that is gone, must not be written.

    (A uid in the body does not help: the API server ignores it for the status of custom resources.)
    """
    cluster, place = port
    made = await cluster.apply(thing(place, spec={"a": 1}), manager="user")
    await cluster.apply(thing(place, spec={"a": 2}), manager="user")
    version = made["metadata"]["resourceVersion"]
    stale = thing(place, status={"x": "y"}, metadata={"resourceVersion": version})

    with pytest.raises(ConflictError):
        await cluster.apply_status(stale, manager="st")


async def test_fields_stay_ours_until_somebody_changes_them(port: tuple[Port, str]) -> None:
    """The applier skips children whose fields are all still ours (decision 0016)."""
    cluster, place = port
    body = thing(place, spec={"ours": 1, "more": {"a": 1}})

    async def claim() -> str:
        found = await cluster.get(THING, place, "a")
        assert found is not None
        return claim_of(with_claim(found, found))

    stored = await cluster.apply(body, manager=CHILDREN_MANAGER)
    first = await claim()
    await cluster.apply_status(thing(place, status={"x": "y"}), manager="st")
    await cluster.apply(thing(place, spec={"theirs": 1}), manager="user")
    assert await claim() == first

    changed = await cluster.get(THING, place, "a")
    assert changed is not None
    await cluster.replace({**changed, "spec": {**changed["spec"], "ours": 2}})
    after_update = await claim()
    assert after_update != first
    found = await cluster.get(THING, place, "a")
    assert found is not None
    assert list(rivals(found, body).values()) == [("spec.ours",)]

    await cluster.apply(body, manager=CHILDREN_MANAGER)
    assert await claim() == first
    await cluster.apply(thing(place, spec={"more": {"a": 2}}), manager="user")
    assert await claim() not in {first, after_update}
    assert stored["metadata"]["uid"] == found["metadata"]["uid"]


async def test_an_event_can_be_told_again(port: tuple[Port, str]) -> None:
    """Decisions are told under a name of their own, as often as it takes (decision 0014)."""
    cluster, place = port
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "a.1", "namespace": place},
        "eventTime": "2026-01-01T12:00:00.000000Z",
        "type": "Normal",
        "reason": "TrafficShifted",
        "action": "SetShares",
        "message": "n",
        "reportingComponent": "tokenfleet.dev/operator",
        "reportingInstance": "tokenfleet",
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": "a", "namespace": place},
    }
    first = await cluster.apply(event, manager="ev")
    again = await cluster.apply(event, manager="ev")

    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_replace_needs_the_version_that_is_stored(port: tuple[Port, str]) -> None:
    cluster, place = port
    first = await cluster.replace(thing(place, spec={"a": 1}))
    newer = await cluster.replace({**first, "spec": {"a": 2}})

    with pytest.raises(ConflictError):
        await cluster.replace({**first, "spec": {"a": 3}})
    with pytest.raises(ConflictError):  # without a version it creates, and there is one already
        await cluster.replace(thing(place, spec={"a": 4}))
    stored = await cluster.get(THING, place, "a")
    assert stored is not None
    assert stored["spec"] == newer["spec"] == {"a": 2}


async def test_versions_of_one_kind_grow_as_numbers(port: tuple[Port, str]) -> None:
    """The store compares them (KEP-5504)."""
    cluster, place = port
    first = await cluster.replace(thing(place, spec={"a": 1}))
    newer = await cluster.replace({**first, "spec": {"a": 2}})

    versions = [int(body["metadata"]["resourceVersion"]) for body in (first, newer)]
    assert versions == sorted(versions)
    assert versions[0] != versions[1]


async def test_delete_takes_only_the_one_that_was_meant(port: tuple[Port, str]) -> None:
    cluster, place = port
    made = await cluster.replace(thing(place))
    with pytest.raises(ConflictError):
        await cluster.delete(THING, place, "a", uid="11111111-1111-1111-1111-111111111111")
    await cluster.delete(THING, place, "a", uid=made["metadata"]["uid"])

    assert await cluster.get(THING, place, "a") is None
    await cluster.delete(THING, place, "a", uid=made["metadata"]["uid"])


async def test_list_selects_by_label_and_says_what_its_items_are(port: tuple[Port, str]) -> None:
    cluster, place = port
    await cluster.replace(thing(place, "a", metadata={"labels": {"x": "1"}}))
    await cluster.replace(thing(place, "b", metadata={"labels": {"x": "2", "y": "1"}}))
    await cluster.replace(thing(place, "c"))

    def names(found: Any) -> list[str]:
        return [body["metadata"]["name"] for body in found]

    assert names(await cluster.list(THING)) == ["a", "b", "c"]
    assert names(await cluster.list(THING, label_selector="x")) == ["a", "b"]
    assert names(await cluster.list(THING, label_selector="x=2")) == ["b"]
    (found,) = await cluster.list(THING, label_selector="y")
    assert (found["kind"], found["apiVersion"]) == ("Thing", "contract.tokenfleet.dev/v1")


async def test_what_the_server_refuses_is_a_refusal(served: Cluster, namespace: Namespace) -> None:
    api = await connect(str(served.kubeconfig))
    cluster = KubernetesCluster(api, BY_KIND.values())
    metadata = {"name": "a", "namespace": namespace.name}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}

    with pytest.raises(RefusedError, match="unknown"):
        await cluster.apply({**body, "unknown": 1}, manager="one")
    with pytest.raises(RefusedError):
        await cluster.replace({**body, "data": {"": "x"}})
    await cluster.close()


async def test_a_kind_that_is_not_served_is_not_found(served: Cluster) -> None:
    api = await connect(str(served.kubeconfig))
    nothing = Resource(group="absent.tokenfleet.dev", version="v1", plural="things", kind="Absent")
    cluster = KubernetesCluster(api, [nothing])

    with pytest.raises(NotFoundError):
        await cluster.list(nothing)
    metadata = {"name": "a", "namespace": "default"}
    body = {"apiVersion": f"{nothing.group}/v1", "kind": nothing.kind, "metadata": metadata}
    with pytest.raises(NotFoundError):
        await cluster.apply(body, manager="ours")
    assert not await cluster.serves(nothing)
    assert await cluster.serves(CONFIG_MAPS)
    await cluster.close()


async def test_a_long_list_comes_in_pages(served: Cluster, namespace: Namespace) -> None:
    api = await connect(str(served.kubeconfig))
    cluster = KubernetesCluster(
        api, [*BY_KIND.values(), THING], namespaces=[namespace.name], page=2
    )
    for number in range(5):
        await cluster.replace(thing(namespace.name, f"t{number}"))

    assert len(await cluster.list(THING)) == 5
    await cluster.close()


async def test_a_server_that_is_gone_is_a_port_error() -> None:
    gone = client.ApiClient(client.Configuration(host="http://127.0.0.1:1"))
    cluster = KubernetesCluster(gone, BY_KIND.values())

    with pytest.raises(PortError, match="GET /api/v1/namespaces/ns/configmaps/a"):
        await cluster.get(CONFIG_MAPS, "ns", "a")
    await cluster.close()


async def test_a_token_is_for_one_router_and_ends(cluster: Cluster, namespace: Namespace) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}}
    namespace.apply(account)
    found = KubernetesCluster(await connect(str(cluster.kubeconfig)), [])
    name = f"system:serviceaccount:{namespace.name}:operator"
    try:
        token = await AgentTokens(found, name)(audience("team", "default"))
        with pytest.raises(PortError):
            await AgentTokens(found, f"{name}-nobody")(audience("team", "default"))
    finally:
        await found.close()

    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["aud"] == ["tokenfleet.dev/routers/team/default"]
    assert claims["sub"] == name
    assert claims["exp"] - claims["iat"] == LIFETIME
