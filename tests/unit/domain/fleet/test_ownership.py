"""Which pods are a router's replicas."""

from typing import Any

import pytest

from tests.unit.domain.fleet.builders import router, router_pods
from tokenfleet.domain.fleet.keys import key_of
from tokenfleet.domain.fleet.ownership import runs_for


def chain() -> list[dict[str, Any]]:
    return list(router_pods(router()))


def believed(deployment: Any, replica_set: Any, pod: Any) -> bool:
    known = {key_of(body): body for body in (deployment, replica_set) if body}
    return runs_for(pod, router(), known.get)


def test_a_pod_of_the_routers_deployment_is_a_replica() -> None:
    assert believed(*chain())


@pytest.mark.parametrize("missing", [0, 1])
def test_a_chain_with_a_gap_proves_nothing(missing: int) -> None:
    links: list[Any] = chain()
    links[missing] = None

    assert not believed(*links)


@pytest.mark.parametrize("link", [0, 1, 2])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"uid": "another"}, id="a namesake of the owner"),
        pytest.param({"kind": "Job"}, id="another kind of owner"),
        pytest.param({"controller": False}, id="an owner that does not control"),
    ],
)
def test_a_label_or_a_name_is_not_enough(link: int, change: dict[str, Any]) -> None:
    links = chain()
    (owner,) = links[link]["metadata"]["ownerReferences"]
    if "kind" in change and link == 0:
        owner["uid"] = "another"  # the router's uid is the only thing that is compared
    owner.update(change)

    assert not believed(*links)
