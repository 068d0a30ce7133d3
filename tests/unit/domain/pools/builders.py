"""Pools for tests."""

from typing import Any

from tokenfleet.api.v1alpha1.servingpool import ServingPool

MODEL = {"source": {"type": "HuggingFace", "huggingFace": {"repo": "org/model"}}}
VOLUME = {"claimName": "weights", "path": "draft"}


def gpu_pool(*, spec: dict[str, Any] | None = None, **managed: Any) -> ServingPool:
    """Return a valid GPU pool named `large`; members of `managed` and `spec` replace its own."""
    return ServingPool.model_validate(
        {
            "metadata": {"name": "large", "namespace": "fleet", "generation": 3},
            "spec": {
                "served": {"modelName": "m"},
                "managed": {
                    "engine": {"image": "engine:1"},
                    "model": MODEL,
                    "resources": {"limits": {"nvidia.com/gpu": 1}},
                    **managed,
                },
                **(spec or {}),
            },
        }
    )


def cpu_pool(**managed: Any) -> ServingPool:
    """Return a valid CPU pool named `large`."""
    return gpu_pool(**{"device": "CPU", "resources": {"limits": {"memory": "8Gi"}}, **managed})


def drafting(kind: str, tensor_parallel: int) -> dict[str, Any]:
    """Return `speculative` with a draft on a volume."""
    source = {"type": "PersistentVolumeClaim", "persistentVolumeClaim": VOLUME}
    return {
        "type": kind,
        "tokens": 3,
        "draftModel": {"source": source, "tensorParallel": tensor_parallel},
    }
