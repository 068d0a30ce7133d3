"""The examples of adopted servers, beside the Services that other projects make for them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.domain.fleet.builders import T0, conditions, meta, service, slices
from tokenfleet.domain.fleet.pool_visit import PoolSnapshot, plan_pool

EXAMPLES = Path(__file__).parents[4] / "operator/docs/examples"


def made_by(name: str, *ports: tuple[str, int], **selector: str) -> dict[str, Any]:
    """Return a Service as a controller of another project makes it."""
    return service(name, *ports, selector=selector)


@pytest.mark.parametrize(
    ("example", "theirs"),
    [
        pytest.param(
            "pool-existing-kserve.yaml",
            made_by("llama-kserve-workload-svc", ("https", 8000), **{"kserve.io/component": "w"}),
            id="KServe LLMInferenceService",
        ),
        pytest.param(
            "pool-existing-ray.yaml",
            made_by(
                "qwen-serve-svc", ("dashboard", 8265), ("serve", 8000), **{"ray.io/serve": "t"}
            ),
            id="KubeRay RayService",
        ),
        pytest.param("pool-existing-leaders.yaml", None, id="leaders of a LeaderWorkerSet"),
    ],
)
def test_an_example_follows_the_ready_pods(example: str, theirs: dict[str, Any] | None) -> None:
    documents = list(yaml.safe_load_all((EXAMPLES / example).read_text()))
    body = {**documents[-1], "metadata": meta(documents[-1]["metadata"]["name"])}
    named = body["spec"]["existing"]["serviceRef"]
    found = theirs or {**documents[0], "metadata": meta(documents[0]["metadata"]["name"])}
    (port,) = (one["name"] for one in found["spec"]["ports"] if one["port"] == named["port"])

    status = plan_pool(
        PoolSnapshot(
            body=body,
            children=(),
            service=found,
            slices=slices(found["metadata"]["name"], 2, port=port),
            now=T0,
        )
    ).status

    assert found["metadata"]["name"] == named["name"]
    assert status is not None
    assert status["readyReplicas"] == 2
    assert conditions(status)["Ready"][0] == "True"


def test_of_a_leader_worker_set_only_leaders_are_asked() -> None:
    """Labels of leaderworkerset.x-k8s.io/v1: workers have an index from 1 on."""
    leaders, _ = yaml.safe_load_all((EXAMPLES / "pool-existing-leaders.yaml").read_text())

    assert leaders["spec"]["selector"] == {
        "leaderworkerset.sigs.k8s.io/name": "deepseek",
        "leaderworkerset.sigs.k8s.io/worker-index": "0",
    }
