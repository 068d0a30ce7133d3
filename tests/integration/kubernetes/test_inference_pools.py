"""An InferencePool on a real API server, by the facts of its published definition."""

from collections.abc import Callable, Iterator

import pytest

from e2e.kit.kinds_of_others import INFERENCE_POOLS, inference_pool
from e2e.kit.kubectl import Cluster, Namespace
from tests.integration.kubernetes.conftest import OperatorProcess, definition, eventually

POOL = {
    "apiVersion": "tokenfleet.dev/v1alpha1",
    "kind": "ServingPool",
    "metadata": {"name": "large"},
    "spec": {
        "type": "Existing",
        "served": {"modelName": "large"},
        "existing": {"inferencePoolRef": {"name": "llama"}},
    },
}


@pytest.fixture
def defined(cluster: Cluster) -> Iterator[None]:
    """Define InferencePool for as long as a test takes."""
    with definition(cluster, INFERENCE_POOLS):
        yield


@pytest.mark.usefixtures("defined")
def test_the_pods_of_an_inference_pool_get_a_service(
    namespace: Namespace, operator: Callable[[str], OperatorProcess]
) -> None:
    namespace.apply(inference_pool("llama", {"app": "llama"}, 8200), POOL)
    operator("a")

    made = eventually(lambda: namespace.get("service", "large"))
    namespace.patch("inferencepool", "llama", {"spec": {"selector": {"matchLabels": {"v": "2"}}}})

    assert made["spec"]["ports"][0]["targetPort"] == 8200
    assert made["metadata"]["ownerReferences"][0]["kind"] == "ServingPool"
    both = {"app": "llama", "v": "2"}
    eventually(lambda: namespace.must_get("service", "large")["spec"]["selector"] == both)
