"""Speculative decoding as it is counted: what is drafted, and what of it the target accepts.

One step drafts `tokens` tokens; they are accepted up to the first that the target would not have
said, and the target adds one of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True)
class Speculation:
    """What `--speculative-config` says."""

    tokens: int
    """Drafted at a time."""
    schedule: tuple[tuple[int, int, int], ...] = ()
    """First and last number of running requests, both included, and the tokens drafted then."""

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Speculation:
        """Read vLLM's JSON; without a number a head drafts one token."""
        steps = config.get("num_speculative_tokens_per_batch_size") or ()
        schedule = tuple((first, last, tokens) for first, last, tokens in steps)
        return cls(config.get("num_speculative_tokens", 1), schedule)

    def drafted(self, running: int) -> int:
        """Return how many tokens are drafted at a time while so many requests run."""
        fitting = (tokens for first, last, tokens in self.schedule if first <= running <= last)
        return next(fitting, self.tokens)


@dataclass(frozen=True, slots=True)
class Drafted:
    """What one answer took."""

    drafts: int
    tokens: int
    accepted: tuple[int, ...]
    """By position in the draft."""


def drafted(answer: int, tokens: int, acceptance: float, draw: Random) -> Drafted:
    """Speculate an answer.

    Args:
        answer: its length in tokens.
        tokens: drafted at a time, at least 1.
        acceptance: part of the drafted tokens that are right, each given that those before are.
        draw: of which.
    """
    drafts, made = 0, 1  # the first token comes from the prompt
    accepted: Counter[int] = Counter()
    while made < answer:
        drafts += 1
        right = next((n for n in range(tokens) if draw.random() >= acceptance), tokens)
        accepted.update(range(right))
        made += right + 1
    return Drafted(drafts, drafts * tokens, tuple(accepted[n] for n in range(tokens)))
