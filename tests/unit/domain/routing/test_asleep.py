"""Which rules have fallbacks that are all scaled to 0."""

from typing import Any

import pytest

from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.routing.compile import Compiled, compile_router

ROUTER = ModelRouter.model_validate({"metadata": {"name": "default", "namespace": "team-a"}})


def pool(
    name: str, replicas: int, type_: str = "Managed", namespace: str = "team-a"
) -> ServingPool:
    source = {"type": "HuggingFace", "huggingFace": {"repo": "a/b"}}
    member: dict[str, Any] = {
        "managed": {"engine": {"image": "vllm/vllm-openai:v0.32.0"}, "model": {"source": source}}
    }
    if type_ == "Existing":
        member = {"existing": {"serviceRef": {"name": name, "port": 8000}}}
    spec = {"type": type_, "served": {"modelName": name}, "replicas": replicas, **member}
    return ServingPool.model_validate(
        {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
    )


def compiled(*pools: ServingPool, namespace: str = "team-a") -> Compiled:
    """Compile a route with the backend `large`, and all other pools as fallbacks."""
    others = [{"name": one.metadata.name} for one in pools if one.metadata.name != "large"]
    route = ModelRoute.model_validate(
        {
            "metadata": {"name": "chat", "namespace": namespace},
            "spec": {
                "parentRefs": [{"name": "default", "namespace": "team-a"}],
                "modelNames": ["chat"],
                "rules": [
                    {"name": "slow", "backendRefs": [{"name": "large"}], "fallbackRefs": others}
                ],
            },
        }
    )
    prefix = "" if namespace == "team-a" else f"{namespace}/"
    known = {f"{prefix}{one.metadata.name}": one for one in pools}
    return compile_router(ROUTER, [route], known, {}, slos=())


def told(*pools: ServingPool, namespace: str = "team-a") -> list[tuple[str, str, str]]:
    found = compiled(*pools, namespace=namespace).problems
    return [
        (one.condition, one.reason, one.message) for problems in found.values() for one in problems
    ]


@pytest.mark.parametrize("namespace", ["team-a", "team-b"])
def test_a_rule_whose_only_fallback_is_scaled_to_zero_is_told(namespace: str) -> None:
    pools = [pool("large", 2, namespace=namespace), pool("small", 0, namespace=namespace)]

    assert told(*pools, namespace=namespace) == [
        (
            "FallbackAvailable",
            "ScaledToZero",
            (
                "nothing can stand in for the backends of rule slow: its fallback small has 0 replicas;"
                " raise spec.replicas, unless an autoscaler does when requests come"
            ),
        )
    ]


def test_traffic_is_what_it_would_be_without_it() -> None:
    pools = [pool("large", 2), pool("small", 0)]
    awake = [pool("large", 2), pool("small", 1)]

    assert compiled(*pools).config == compiled(*awake).config
    assert compiled(*pools).references == compiled(*awake).references


@pytest.mark.parametrize(
    "pools",
    [
        pytest.param([pool("large", 2), pool("a", 0), pool("b", 1)], id="one of two runs"),
        pytest.param([pool("large", 2), pool("a", 0, "Existing")], id="of somebody else"),
        pytest.param([pool("large", 0)], id="no fallback is named"),
    ],
)
def test_a_fallback_that_may_run_is_enough(pools: list[ServingPool]) -> None:
    assert told(*pools) == []


def test_all_that_sleep_are_named() -> None:
    (one,) = told(pool("large", 2), pool("a", 0), pool("b", 0))

    assert "its fallbacks a, b have 0 replicas" in one[2]
