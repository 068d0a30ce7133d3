"""Speculative decoding: what the engine is told, and combinations that it would refuse.

Terms and limits are those of vLLM's `SpeculativeConfig`. The engine checks vocabularies and
architectures itself when it starts; here is only what can be known from the spec.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.v1alpha1.servingpool import DraftModel, Managed, Speculative
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools import models

METHODS: Final[Mapping[str, str]] = MappingProxyType(
    {"DraftModel": "draft_model", "Eagle3": "eagle3", "Ngram": "ngram"}
)


def config(speculative: Speculative, tensor: int) -> dict[str, Any]:
    """Return the value of vLLM's `--speculative-config` for a target of this tensor parallelism."""
    draft = speculative.draft_model
    base = {
        "method": METHODS[speculative.type],
        "num_speculative_tokens": speculative.tokens,
    }
    if draft is None:
        return base
    revision = models.revision(draft.source)
    return {
        **base,
        "model": models.location(draft.source),
        "draft_tensor_parallel_size": _size(speculative, draft, tensor),
        **({"revision": revision} if revision else {}),
    }


def _size(speculative: Speculative, draft: DraftModel, tensor: int) -> int:
    """Return what the user asked for, else what the engine takes: all devices, a head one."""
    return draft.tensor_parallel or (tensor if speculative.type == "DraftModel" else 1)


def problems(name: str, managed: Managed) -> tuple[Problem, ...]:
    """Return what the engine would refuse, with the remedy.

    vLLM 0.32 runs a draft model only on as many devices as its target ("the different TP ranks
    collide", `v1/spec_decode/draft_model.py`), and an EAGLE-3 head on one or on as many.
    """
    draft = managed.speculative.draft_model if managed.speculative else None
    if managed.speculative is None or draft is None:
        return ()
    target = managed.parallelism.tensor
    allowed = (target,) if managed.speculative.type == "DraftModel" else (1, target)
    if _size(managed.speculative, draft, target) in allowed:
        return ()
    remedy = " or ".join(str(size) for size in dict.fromkeys(allowed))
    return (
        Problem(
            condition=ACCEPTED,
            reason="DraftParallelismMismatch",
            message=f"pool {name}: speculative.draftModel.tensorParallel is"
            f" {draft.tensor_parallel}, the engine needs {remedy} beside parallelism.tensor"
            f" {target}",
        ),
    )
