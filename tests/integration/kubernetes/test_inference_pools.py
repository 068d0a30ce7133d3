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


def test_a_kind_that_goes_and_comes_back_is_watched_again(
    cluster: Cluster, namespace: Namespace, operator: Callable[[str], OperatorProcess]
) -> None:
    """Without a watch the next list of everything would tell, five minutes later."""
    namespace.apply(POOL)
    process = operator("a")
    eventually(process.leads)

    def port() -> int:
        made = namespace.get("service", "large")
        return made["spec"]["ports"][0]["targetPort"] if made else 0

    for first in (8200, 8300):
        with definition(cluster, INFERENCE_POOLS):
            namespace.apply(inference_pool("llama", {"app": "llama"}, first))
            eventually(lambda first=first: port() == first)
            # What is in a kind that comes is listed; what changes from then on has to be told.
            namespace.apply(inference_pool("llama", {"app": "llama"}, first + 1))
            eventually(lambda first=first: port() == first + 1)
        eventually(lambda: "InferencePool is not served any more" in process.logged())

    assert process.process.poll() is None
    assert "watches ended" not in process.logged()
