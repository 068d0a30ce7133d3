"""How much memory Envoy may take on its heap before it sheds load (Envoy's overload manager)."""

from typing import Final

from tokenfleet.api.units import parse_quantity

HEAP_LIMIT: Final = 1024 * 1024 * 1024
"""Bytes of heap where no memory limit says otherwise."""
HEAP_PART: Final = 4, 5
"""Part of the memory limit that the heap may take; the rest is stacks, code and buffers."""


def heap_of(memory: str) -> int:
    """Return the bytes of heap that fit into a memory limit."""
    part, whole = HEAP_PART
    return int(parse_quantity(memory)) * part // whole
