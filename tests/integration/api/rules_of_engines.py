"""What a pool must not ask of an engine family, on both sides."""

from typing import Any

from e2e.kit.yamls import merged
from tests.integration.api.rules import Rule, rule
from tests.integration.api.subjects import POOL, at

_MANAGED = "spec.managed"
_SPECULATIVE = f"{_MANAGED}.speculative"
_FILE = {"claimName": "w", "path": "m.gguf"}
_GGUF = at(f"{_MANAGED}.model.source.persistentVolumeClaim", _FILE)
_FOLDER = {"type": "PersistentVolumeClaim", "persistentVolumeClaim": {"claimName": "w"}}


def of(family: str, *patches: dict[str, Any]) -> dict[str, Any]:
    """Return the smallest pool of a family, changed."""
    body = merged(POOL, at(f"{_MANAGED}.engine.type", family))
    body = merged(body, _GGUF) if family == "LlamaCpp" else body
    for patch in patches:
        body = merged(body, patch)
    return body


def hub(**more: str) -> dict[str, Any]:
    """Return a source on the hub."""
    return {
        "type": "HuggingFace",
        "huggingFace": {"repo": "o/m", **more},
        "persistentVolumeClaim": None,
    }


def drafting(source: dict[str, Any], kind: str = "DraftModel", **more: Any) -> dict[str, Any]:
    """Return the patch that drafts with a source."""
    draft = {"source": source}
    return at(_SPECULATIVE, {"type": kind, "tokens": 3, "draftModel": draft, **more})


def engine_rule(message: str, *, refused: Any, accepted: Any) -> Rule:
    """Make a rule of a managed pool from two whole objects."""
    return rule(
        f".{_MANAGED}", message, {"kind": "ServingPool"}, refused=refused, accepted=accepted
    )


_CUSTOM = at(_SPECULATIVE, {"type": "Custom", "tokens": 3, "custom": {"config": "{}"}})
_OFF = at(_SPECULATIVE, {"type": "Ngram", "tokens": 3, "offAbove": 8})
_TREE = {"tree": {"depth": 2, "width": 2}}
_SPLIT = at(f"{_SPECULATIVE}.draftModel.tensorParallel", 1)
_BUCKET = at(
    f"{_MANAGED}.model.source",
    {"type": "ObjectStore", "objectStore": {"uri": "s3://weights/m"}},
)
_AHEAD = at(
    f"{_MANAGED}.model.cache",
    {"persistentVolumeClaim": {"claimName": "cache"}, "prefetch": "Job"},
)
_TARGET = f"{_MANAGED}.model.source"
_SIZES = f"{_MANAGED}.parallelism"

_FILE_OPTIONS = at(f"{_MANAGED}.engine.config", '{"enable_attention_dp": true}')
ENGINE_RULES = [
    engine_rule(
        "model.cache.prefetch needs another engine.type than LlamaCpp, whose image has no program"
        " of the hub; keep the model on a volume",
        refused=of("LlamaCpp", at(_TARGET, hub(quant="Q8_0")), _AHEAD),
        accepted=of("SGLang", at(_TARGET, hub()), _AHEAD),
    ),
    engine_rule(
        "device CPU needs engine.type VLLM or LlamaCpp: the others compute on GPUs",
        refused=of("SGLang", at(f"{_MANAGED}.device", "CPU")),
        accepted=of("LlamaCpp", at(f"{_MANAGED}.device", "CPU")),
    ),
    engine_rule(
        "engine.config needs engine.type TensorRTLLM: the others take every option in"
        " engine.extraArgs",
        refused=of("VLLM", _FILE_OPTIONS),
        accepted=of("TensorRTLLM", _FILE_OPTIONS),
    ),
    engine_rule(
        "speculative.type Custom needs engine.type VLLM",
        refused=of("SGLang", _CUSTOM),
        accepted=of("VLLM", _CUSTOM),
    ),
    engine_rule(
        "speculative.type Eagle needs engine.type VLLM or SGLang",
        refused=of("TensorRTLLM", drafting(_FOLDER, "Eagle")),
        accepted=of("SGLang", drafting(_FOLDER, "Eagle")),
    ),
    engine_rule(
        "speculative.offAbove needs engine.type VLLM or TensorRTLLM: the others cannot stop"
        " proposing under load",
        refused=of("SGLang", _OFF),
        accepted=of("TensorRTLLM", _OFF),
    ),
    engine_rule(
        "speculative.tree needs engine.type SGLang and speculative.type Eagle or Eagle3",
        refused=of("SGLang", drafting(_FOLDER, "DraftModel", **_TREE)),
        accepted=of("SGLang", drafting(_FOLDER, "Eagle3", **_TREE)),
    ),
    engine_rule(
        "speculative.draftModel.tensorParallel needs engine.type VLLM: the others split a draft as"
        " its target",
        refused=of("SGLang", drafting(_FOLDER), _SPLIT),
        accepted=of("VLLM", drafting(_FOLDER), _SPLIT),
    ),
    engine_rule(
        "a draft's huggingFace.revision needs engine.type VLLM or SGLang: the others take the"
        " repository's default branch; keep the draft on a volume",
        refused=of("TensorRTLLM", drafting(hub(revision="main"))),
        accepted=of("SGLang", drafting(hub(revision="main"))),
    ),
    engine_rule(
        "huggingFace.revision needs another engine.type than LlamaCpp, which takes the"
        " repository's default branch; keep the model on a volume",
        refused=of("LlamaCpp", at(_TARGET, hub(revision="main"))),
        accepted=of("TensorRTLLM", at(_TARGET, hub(revision="main"))),
    ),
    engine_rule(
        "a source ObjectStore needs engine.type VLLM",
        refused=of("SGLang", _BUCKET),
        accepted=of("VLLM", _BUCKET),
    ),
    engine_rule(
        "huggingFace.quant needs engine.type LlamaCpp",
        refused=of("VLLM", at(_TARGET, hub(quant="Q4_K_M"))),
        accepted=of("LlamaCpp", at(_TARGET, hub(quant="Q4_K_M"))),
    ),
    engine_rule(
        "path must be a file that ends in .gguf for engine.type LlamaCpp",
        refused=of("LlamaCpp", drafting(_FOLDER)),
        accepted=of("LlamaCpp", drafting({**_FOLDER, "persistentVolumeClaim": _FILE})),
    ),
    engine_rule(
        "engine.type LlamaCpp splits a model by tensor or by pipeline, not by both, and neither by"
        " data nor by expert",
        refused=of("LlamaCpp", at(_SIZES, {"tensor": 2, "pipeline": 2})),
        accepted=of("LlamaCpp", at(_SIZES, {"pipeline": 2})),
    ),
    engine_rule(
        "parallelism.data needs engine.type VLLM or SGLang: use replicas instead",
        refused=of("TensorRTLLM", at(_SIZES, {"data": 2})),
        accepted=of("SGLang", at(_SIZES, {"data": 2})),
    ),
    engine_rule(
        "engine.type SGLang spreads experts over the devices of one copy: leave out"
        " parallelism.data, or give engine.extraArgs --enable-dp-attention",
        refused=of("SGLang", at(_SIZES, {"data": 2, "expert": True})),
        accepted=of(
            "SGLang",
            at(_SIZES, {"tensor": 2, "data": 2, "expert": True}),
            at("spec.managed.engine.extraArgs", ["--enable-dp-attention"]),
        ),
    ),
    rule(
        ".spec",
        "contextWindow auto needs engine.type VLLM or LlamaCpp: give a number",
        {"kind": "ServingPool"},
        refused=of("SGLang", at("spec.served.contextWindow", "auto")),
        accepted=of("LlamaCpp", at("spec.served.contextWindow", "auto")),
    ),
]
