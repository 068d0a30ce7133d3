"""What a managed pool must not ask of an engine family, as the API server refuses it.

Every rule holds for any object that was stored before: those are all of the family VLLM.
"""

from typing import Final

from tokenfleet.api.conventions import CEL

_SPECULATIVE: Final = "!has(self.speculative)"
_DRAFT: Final = (
    f"{_SPECULATIVE} || !(self.speculative.type in ['DraftModel', 'Eagle', 'Eagle3'])"
    " || !has(self.speculative.draftModel)"
)
"""Holds where no draft counts."""
_HUB: Final = "{0}.type != 'HuggingFace' || !has({0}.huggingFace)"
_GGUF: Final = " && ".join(
    f"({{0}}.type != '{kind}' || !has({{0}}.{name}) || (has({{0}}.{name}.path)"
    f" && {{0}}.{name}.path.endsWith('.gguf')))"
    for kind, name in (("PersistentVolumeClaim", "persistentVolumeClaim"), ("Image", "image"))
)


def _only(*families: str) -> str:
    return f"self.engine.type in {list(families)}"


def _sources(rule: str) -> str:
    """Hold a rule about `{0}` for the target's source and the draft's."""
    target, draft = (
        rule.format("self.model.source"),
        rule.format("self.speculative.draftModel.source"),
    )
    return f"({target}) && ({_DRAFT} || ({draft}))"


ENGINE_RULES: Final = (
    CEL(
        rule=f"self.device == 'GPU' || {_only('VLLM', 'LlamaCpp')}",
        message="device CPU needs engine.type VLLM or LlamaCpp: the others compute on GPUs",
        field_path=".device",
    ),
    CEL(
        rule="!has(self.engine.config) || self.engine.type == 'TensorRTLLM'",
        message="engine.config needs engine.type TensorRTLLM: the others take every option in"
        " engine.extraArgs",
        field_path=".engine",
    ),
    CEL(
        rule=f"{_SPECULATIVE} || self.speculative.type != 'Custom' || {_only('VLLM')}",
        message="speculative.type Custom needs engine.type VLLM",
        field_path=".speculative",
    ),
    CEL(
        rule=f"{_SPECULATIVE} || self.speculative.type != 'Eagle' || {_only('VLLM', 'SGLang')}",
        message="speculative.type Eagle needs engine.type VLLM or SGLang",
        field_path=".speculative",
    ),
    CEL(
        rule=f"{_SPECULATIVE} || !has(self.speculative.offAbove) || {_only('VLLM', 'TensorRTLLM')}",
        message="speculative.offAbove needs engine.type VLLM or TensorRTLLM: the others cannot"
        " stop proposing under load",
        field_path=".speculative",
    ),
    CEL(
        rule=f"{_SPECULATIVE} || !has(self.speculative.tree) || ({_only('SGLang')}"
        " && self.speculative.type in ['Eagle', 'Eagle3'])",
        message="speculative.tree needs engine.type SGLang and speculative.type Eagle or Eagle3",
        field_path=".speculative",
    ),
    CEL(
        rule=f"{_DRAFT} || !has(self.speculative.draftModel.tensorParallel) || {_only('VLLM')}",
        message="speculative.draftModel.tensorParallel needs engine.type VLLM: the others split a"
        " draft as its target",
        field_path=".speculative",
    ),
    CEL(
        rule=f"{_DRAFT} || {_HUB.format('self.speculative.draftModel.source')}"
        " || !has(self.speculative.draftModel.source.huggingFace.revision)"
        f" || {_only('VLLM', 'SGLang')}",
        message="a draft's huggingFace.revision needs engine.type VLLM or SGLang: the others take"
        " the repository's default branch; keep the draft on a volume",
        field_path=".speculative",
    ),
    CEL(
        rule=_HUB.format("self.model.source") + " || !has(self.model.source.huggingFace.revision)"
        " || self.engine.type != 'LlamaCpp'",
        message="huggingFace.revision needs another engine.type than LlamaCpp, which takes the"
        " repository's default branch; keep the model on a volume",
        field_path=".model",
    ),
    CEL(
        rule="!has(self.model.cache) || !has(self.model.cache.prefetch)"
        " || self.engine.type != 'LlamaCpp'",
        message="model.cache.prefetch needs another engine.type than LlamaCpp, whose image has no"
        " program of the hub; keep the model on a volume",
        field_path=".model",
    ),
    CEL(
        rule=_sources("{0}.type != 'ObjectStore'") + f" || {_only('VLLM')}",
        message="a source ObjectStore needs engine.type VLLM",
        field_path=".model",
    ),
    CEL(
        rule=_sources(f"{_HUB} || !has({{0}}.huggingFace.quant)") + f" || {_only('LlamaCpp')}",
        message="huggingFace.quant needs engine.type LlamaCpp",
        field_path=".model",
    ),
    CEL(
        rule="self.engine.type != 'LlamaCpp' || (" + _sources(_GGUF) + ")",
        message="path must be a file that ends in .gguf for engine.type LlamaCpp",
        field_path=".model",
    ),
    CEL(
        rule="self.engine.type != 'LlamaCpp' || (self.parallelism.data == 1"
        " && !self.parallelism.expert"
        " && (self.parallelism.tensor == 1 || self.parallelism.pipeline == 1))",
        message="engine.type LlamaCpp splits a model by tensor or by pipeline, not by both, and"
        " neither by data nor by expert",
        field_path=".parallelism",
    ),
    CEL(
        rule="self.engine.type != 'TensorRTLLM' || self.parallelism.data == 1",
        message="parallelism.data needs engine.type VLLM or SGLang: use replicas instead",
        field_path=".parallelism",
    ),
    CEL(
        rule="self.engine.type != 'SGLang' || !self.parallelism.expert"
        " || self.parallelism.data == 1 || (has(self.engine.extraArgs)"
        " && self.engine.extraArgs.exists(one, one == '--enable-dp-attention'))",
        message="engine.type SGLang spreads experts over the devices of one copy: leave out"
        " parallelism.data, or give engine.extraArgs --enable-dp-attention",
        field_path=".parallelism",
    ),
)
