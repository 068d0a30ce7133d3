"""The pool that is checked: one GPU, a target, and a draft that proposes."""

from __future__ import annotations

from collections.abc import Sequence

from tokenfleet.api.v1alpha1.servingpool import ServingPool

MODEL = "checked"
CONCURRENCY = 32
"""Requests that the engine computes at once; more wait."""
PROPOSED = 3
WINDOW = 4096
GRACE_SECONDS = 60


def pool(*, speculating: bool, own_arguments: Sequence[str]) -> ServingPool:
    """Return the pool.

    Args:
        speculating: whether there is a draft.
        own_arguments: for `extraArgs`.
    """

    def on_claim(path: str) -> dict[str, object]:
        claim = {"claimName": "models", "path": path}
        return {"source": {"type": "PersistentVolumeClaim", "persistentVolumeClaim": claim}}

    draft = {"type": "DraftModel", "tokens": PROPOSED, "draftModel": on_claim("draft")}
    managed = {
        "engine": {
            "image": "vllm/vllm-openai:v0.32.0",
            "concurrency": CONCURRENCY,
            "extraArgs": list(own_arguments),
        },
        "model": on_claim("target"),
        "resources": {"limits": {"nvidia.com/gpu": 1}},
        "terminationGracePeriod": f"{GRACE_SECONDS}s",
        **({"speculative": draft} if speculating else {}),
    }
    served = {"modelName": MODEL, "contextWindow": WINDOW}
    body = {"metadata": {"name": MODEL}, "spec": {"served": served, "managed": managed}}
    return ServingPool.model_validate(body)
