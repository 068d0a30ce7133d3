"""A real API server takes the autoscalers that the page shows, strictly, as they stand there."""

from typing import Any

import pytest

from e2e.kit.kinds_of_others import SCALED_OBJECTS
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.recipes import scaler, shown
from e2e.kit.yamls import dump
from tests.integration.kubernetes.conftest import definition

SHOWN = [block for block in shown() if "kind" in block]
(MORE,) = [block for block in shown() if "kind" not in block]
"""What one of them gets for the way to zero."""


def to_zero() -> dict[str, Any]:
    found = scaler("HorizontalPodAutoscaler", "chat-large")
    return {**found, "spec": {**found["spec"], "minReplicas": 0, **MORE}}


def test_every_recipe_of_the_page_is_tried() -> None:
    assert {(b["kind"], b["metadata"]["name"]) for b in SHOWN} == {
        ("HorizontalPodAutoscaler", "chat-large"),
        ("HorizontalPodAutoscaler", "default-router"),
        ("ScaledObject", "chat-large"),
    }


@pytest.mark.parametrize(
    "body",
    [scaler("HorizontalPodAutoscaler", "chat-large"), to_zero(),
     scaler("HorizontalPodAutoscaler", "default-router")],
    ids=["on demand", "to zero", "of a router"],
)  # fmt: skip
def test_a_recipe_for_kubernetes_is_taken(namespace: Namespace, body: dict[str, Any]) -> None:
    namespace.run("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=dump((body,)))


def test_the_recipe_for_keda_is_taken(cluster: Cluster, namespace: Namespace) -> None:
    with definition(cluster, SCALED_OBJECTS):
        body = scaler("ScaledObject", "chat-large")
        namespace.run(
            "create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=dump((body,))
        )
