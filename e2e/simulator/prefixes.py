"""The prefix cache: whole blocks of prompts that were seen before, the least recently used go first.

As vLLM's automatic prefix caching: a block is known by its tokens and all before them, and by the
adapter; the last token of a prompt is always worked on, so that there is something to answer from.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

BLOCK = 128
"""Tokens of a block, vLLM's default on CPUs."""
CHARACTERS = 4
"""Of a token, about."""


def tokens_of(text: str) -> int:
    """Return the length of a prompt in tokens."""
    return max(1, len(text) // CHARACTERS)


def blocks_of(tokens: int) -> int:
    """Return how many blocks hold so many tokens."""
    return -(-tokens // BLOCK)


class Prefixes:
    """What the cache holds."""

    def __init__(self, blocks: int) -> None:
        """Hold at most so many blocks."""
        self._most = blocks
        self._known: OrderedDict[int, None] = OrderedDict()

    def look_up(self, text: str, adapter: str = "") -> int:
        """Return how many tokens of a prompt are cached, and cache it."""
        hits, missed = 0, False
        last = (tokens_of(text) - 1) // BLOCK
        for number, block in enumerate(_blocks(text, adapter)):
            missed = missed or block not in self._known
            hits += not missed and number < last
            self._known[block] = None
            self._known.move_to_end(block)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return hits * BLOCK


def _blocks(text: str, adapter: str) -> Iterator[int]:
    size = BLOCK * CHARACTERS
    before = hash(adapter)
    for end in range(size, len(text) + 1, size):
        before = hash((before, text[end - size : end]))
        yield before
