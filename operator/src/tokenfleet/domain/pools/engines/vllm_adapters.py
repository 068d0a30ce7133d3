"""LoRA adapters of vLLM: `--enable-lora` and what belongs to it."""

import json
from typing import Final

from tokenfleet.api.v1alpha1.adapters import Adapter, LoRAOptions
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.pools import models

RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Values of `--max-lora-rank` (`MaxLoRARanks` of vLLM 0.32)."""
ACTIVE: Final = 8
"""Most adapters in a batch where the user sets no limit: each takes device memory."""


def options(pool: ServingPool) -> list[str]:
    """Return the arguments for a pool's adapters; none where it lists none."""
    adapters = pool.spec.served.adapters
    if not adapters:
        return []
    sizes = pool.managed.lora or LoRAOptions()
    active = min(sizes.max_active or ACTIVE, len(adapters))
    return [
        "--enable-lora",
        f"--max-lora-rank={next(rank for rank in RANKS if rank >= sizes.max_rank)}",
        f"--max-loras={active}",
        # All stay in the memory of the host: one that is not in a batch is not read again.
        f"--max-cpu-loras={len(adapters)}",
        "--lora-modules",
        *map(_module, adapters),
    ]


def _module(adapter: Adapter) -> str:
    """Return one adapter as JSON: in the form `name=path` a comma would be read as JSON."""
    assert adapter.source is not None, "CEL: adapters of Managed pools have a source"
    told = {"name": adapter.name, "path": models.location(adapter.source)}
    return json.dumps(told, sort_keys=True, separators=(",", ":"))
