"""A real API server takes the autoscalers that the page shows, strictly, as they stand there."""

import re
from typing import Any

import pytest
import yaml

from e2e.kit import repository
from e2e.kit.kinds_of_others import SCALED_OBJECTS
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.yamls import dump
from tests.integration.kubernetes.conftest import definition

PAGE = (repository() / "operator/docs/autoscaling.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
SHOWN = [block for block in BLOCKS if "kind" in block]
(MORE,) = [block for block in BLOCKS if "kind" not in block]
"""What one of them gets for the way to zero."""


def scaler(kind: str, name: str) -> dict[str, Any]:
    (found,) = [b for b in SHOWN if (b["kind"], b["metadata"]["name"]) == (kind, name)]
    return found


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
