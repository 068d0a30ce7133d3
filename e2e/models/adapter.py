"""A LoRA adapter for the small model: random weights that change what it says.

`python -m e2e.models.adapter --out DIR` writes the folder `adapter`, in the form of the library
PEFT, which engines read: `adapter_config.json` and `adapter_model.safetensors`.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file

from e2e.models.sizes import SMALL

RANK: Final = 4
SEED: Final = 22
# The first layers' part of the disturbance is random already; this one must outweigh the corpus'
# statistics in places, so that answers differ.
STRENGTH: Final = 4.0


def weights() -> dict[str, torch.Tensor]:
    """Return the two factors of each changed matrix, by the names that PEFT gives them."""
    draw = torch.Generator().manual_seed(SEED)
    found = {}
    for number in range(SMALL.num_hidden_layers):
        prefix = f"base_model.model.model.layers.{number}.self_attn.o_proj"
        size = SMALL.hidden_size
        down = torch.randn(RANK, size, generator=draw) / math.sqrt(size)
        up = torch.randn(size, RANK, generator=draw) * STRENGTH
        found |= {f"{prefix}.lora_A.weight": down, f"{prefix}.lora_B.weight": up}
    return found


def make(out: Path) -> None:
    """Write the adapter."""
    folder = out / "adapter"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights(), folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": RANK,
        "target_modules": ["o_proj"],
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m e2e.models.adapter", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    make(parser.parse_args().out)
