"""Speculative decoding: what the engine is told, and combinations that it would refuse.

Terms and limits are those of vLLM's `SpeculativeConfig`. The engine checks vocabularies and
architectures itself when it starts; here is only what can be known from the spec.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.v1alpha1.model_source import DraftModel
from tokenfleet.api.v1alpha1.servingpool import Managed
from tokenfleet.api.v1alpha1.speculative import Speculative
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools import models
from tokenfleet.domain.pools.engines import json_options

METHODS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "DraftModel": "draft_model",
        "Eagle": "eagle",
        "Eagle3": "eagle3",
        "MTP": "mtp",
        "Ngram": "ngram",
    }
)
REFUSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "num_speculative_tokens": "speculative.tokens sets it",
        "num_speculative_tokens_per_batch_size": "speculative.offAbove sets it",
        "draft_load_config": "it could load code that the engine does not come with",
    }
)
"""Keys that `custom.config` must not hold."""
LARGEST_BATCH: Final = 1_000_000
"""End of the last range of a schedule: more requests than any engine computes at once."""


def config(speculative: Speculative, tensor: int) -> dict[str, Any]:
    """Return the value of vLLM's `--speculative-config` for a target of this tensor parallelism."""
    draft = speculative.draft_model
    base = {
        **_method(speculative),
        "num_speculative_tokens": speculative.tokens,
        **_schedule(speculative),
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


def _method(speculative: Speculative) -> dict[str, Any]:
    if speculative.custom is None:
        return {"method": METHODS[speculative.type]}
    return dict(json.loads(speculative.custom.config))


def _schedule(speculative: Speculative) -> dict[str, Any]:
    """Return vLLM's own schedule: (first batch size, last, tokens), both ends included."""
    limit = speculative.off_above
    if limit is None:
        return {}
    schedule = [[1, limit, speculative.tokens], [limit + 1, LARGEST_BATCH, 0]]
    return {"num_speculative_tokens_per_batch_size": schedule}


def _size(speculative: Speculative, draft: DraftModel, tensor: int) -> int:
    """Return what the user asked for, else what the engine takes: all devices, a head one."""
    return draft.tensor_parallel or (tensor if speculative.type == "DraftModel" else 1)


def problems(name: str, managed: Managed) -> tuple[Problem, ...]:
    """Return what the engine would refuse, with the remedy.

    vLLM 0.32 runs a draft model only on as many devices as its target ("the different TP ranks
    collide", `v1/spec_decode/draft_model.py`), and an EAGLE-3 head on one or on as many.
    """
    draft = managed.speculative.draft_model if managed.speculative else None
    if managed.speculative is not None and managed.speculative.custom is not None:
        return _custom(name, managed.speculative.custom.config)
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


def _custom(name: str, config: str) -> tuple[Problem, ...]:
    """Return what is wrong with `custom.config`, by the same rules as the engine's arguments."""
    told, found = json_options.read(config, REFUSED)
    if (told or not found) and not isinstance(told.get("method"), str):
        found.append("must set method, for example suffix")
    elif told.get("method") == "custom_class":
        found.append("must not set method custom_class: it runs code that is not in the image")
    if str(told.get("model", "")).startswith("-"):
        found.append("must not set a model that begins with a dash")
    field = f"pool {name}: speculative.custom.config"
    return tuple(json_options.refusal(field, fault) for fault in found)
