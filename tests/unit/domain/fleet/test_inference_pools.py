"""The plan of a pool that follows an InferencePool."""

from typing import Any

import pytest

from e2e.kit.kinds_of_others import inference_pool
from tests.unit.domain.fleet.builders import (
    T0,
    conditions,
    message,
    pool,
    service,
    slices,
)
from tokenfleet.domain.fleet.plan import Plan
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.fleet.pool_visit import PoolSnapshot, plan_pool

LABELS = {"app": "llama"}
SERVED = Platform(inference_pools=True)


def following(**reference: Any) -> dict[str, Any]:
    return pool(existing={"inferencePoolRef": {"name": "llama", **reference}})


def plan(body: dict[str, Any], found: dict[str, Any] | None, **seen: Any) -> Plan:
    defaults = {"children": (), "service": None, "slices": (), "platform": SERVED, "now": T0}
    return plan_pool(PoolSnapshot(body=body, inference_pool=found, **{**defaults, **seen}))


def test_its_pods_are_listed_by_a_service_of_the_pool_s_own() -> None:
    (made,) = plan(following(), inference_pool("llama", LABELS, 8200)).applies

    assert (made["kind"], made["metadata"]["name"]) == ("Service", "large")
    assert made["spec"]["selector"] == LABELS
    (port,) = made["spec"]["ports"]
    assert (port["name"], port["targetPort"]) == ("http", 8200)


def test_readiness_is_counted_over_the_same_pods() -> None:
    body = following()
    own = service("large", ("http", 8000), owner=body)
    listed = slices("large", 2, port="http", owner=own["metadata"]["uid"])

    status = plan(body, inference_pool("llama", LABELS, 8000), service=own, slices=listed).status

    assert status is not None
    assert status["readyReplicas"] == 2
    assert conditions(status)["Ready"][0] == "True"


@pytest.mark.parametrize(
    ("found", "reason", "named"),
    [
        pytest.param(None, "InferencePoolNotFound", "inferencePoolRef.name", id="none"),
        pytest.param(
            inference_pool("llama", {}, 8000), "SelectorEmpty", "matchLabels", id="no labels"
        ),
        pytest.param(
            inference_pool("llama", LABELS, 8000, 8001),
            "PortAmbiguous",
            "8000, 8001",
            id="two ports",
        ),
        pytest.param(
            inference_pool("llama", LABELS, 8000, appProtocol="kubernetes.io/h2c"),
            "ProtocolUnsupported",
            "kubernetes.io/h2c",
            id="another protocol",
        ),
    ],
)
def test_what_cannot_be_followed_is_named(
    found: dict[str, Any] | None, reason: str, named: str
) -> None:
    result = plan(following(), found)

    assert result.applies == ()
    assert conditions(result.status)["Accepted"] == ("False", reason)
    assert named in message(result.status, "Accepted")


def test_one_of_several_ports_can_be_chosen() -> None:
    ports = inference_pool("llama", LABELS, 8000, 8001)

    (made,) = plan(following(port=8001), ports).applies
    wrong = plan(following(port=9000), ports)

    assert made["spec"]["ports"][0]["targetPort"] == 8001
    assert conditions(wrong.status)["Accepted"] == ("False", "PortNotFound")
    assert "only 8000, 8001" in message(wrong.status, "Accepted")


def test_a_cluster_without_the_kind_is_named() -> None:
    found = plan(following(), None, platform=Platform())

    assert conditions(found.status)["Accepted"] == ("False", "InferencePoolsNotServed")
    assert "within a minute" in message(found.status, "Accepted")


def test_what_runs_goes_on_when_its_inference_pool_goes() -> None:
    body = following()
    own = service("large", ("http", 8000), owner=body)
    listed = slices("large", 2, port="http", owner=own["metadata"]["uid"])

    result = plan(body, None, children=(own,), service=own, slices=listed)

    assert (result.applies, result.deletes) == ((), ())
    assert result.status is not None
    assert result.status["readyReplicas"] == 2
    assert conditions(result.status)["Accepted"] == ("False", "InferencePoolNotFound")


def test_a_service_of_somebody_else_under_the_pool_s_name_is_left_alone() -> None:
    result = plan(
        following(), inference_pool("llama", LABELS, 8000), service=service("large", 6379)
    )

    assert result.applies == ()
    assert conditions(result.status)["Accepted"] == ("False", "ServiceNameTaken")


def test_a_pool_that_names_a_service_again_gives_its_own_away() -> None:
    other = pool(existing={"serviceRef": {"name": "theirs", "port": 8000}})
    own = service("large", ("http", 8000), owner=other)

    result = plan(other, None, children=(own,), service=service("theirs", 8000))

    assert [deletion.key.name for deletion in result.deletes] == ["large"]
