"""How large each model is, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The shape of a Llama; names are those of its `config.json`."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    max_position_embeddings: int = 4096

    @property
    def head_dim(self) -> int:
        """Return the width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    def fields(self) -> dict[str, int]:
        """Return the shape as `config.json` spells it."""
        return asdict(self) | {"head_dim": self.head_dim}


# On one core of a 2.8 GHz server CPU a prompt of 150 tokens takes the target about 100 ms, and the
# small model about a tenth of that: a person can see the difference, and a test need not wait.
TARGET: Final = Size(
    hidden_size=512,
    intermediate_size=1536,
    num_hidden_layers=8,
    num_attention_heads=8,
    num_key_value_heads=4,
)
SMALL: Final = Size(
    hidden_size=512,
    intermediate_size=1024,
    num_hidden_layers=2,
    num_attention_heads=8,
    num_key_value_heads=4,
)
# The draft is the target's first layers; fewer are faster and agree with the target less often.
DRAFT_LAYERS: Final = 1

# For a GPU: 7 billion parameters in bfloat16, so that a step is bound by the device's memory as that
# of a real model is, and heads of the usual width, for which attention kernels are made.
GPU_TARGET: Final = Size(
    hidden_size=4096,
    intermediate_size=14336,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
)
GPU_DRAFT_LAYERS: Final = 2
