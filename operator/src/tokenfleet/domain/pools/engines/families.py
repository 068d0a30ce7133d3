"""The engine families by the name that a pool calls them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tokenfleet.api.v1alpha1.servingpool import Managed
from tokenfleet.domain.pools.engines import llama_cpp, sglang, tensorrt_llm, vllm
from tokenfleet.domain.pools.engines.engine import Engine

FAMILIES: Final[Mapping[str, Engine]] = MappingProxyType(
    {"VLLM": vllm, "SGLang": sglang, "LlamaCpp": llama_cpp, "TensorRTLLM": tensorrt_llm}
)


def family(managed: Managed) -> Engine:
    """Return the family of a pool's engine."""
    return FAMILIES[managed.engine.type]
