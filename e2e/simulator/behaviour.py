"""How a simulated engine behaves; changed while it runs by `POST /simulator`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One way to behave. The defaults are a small, healthy engine."""

    ttft: float = 0.02
    """Seconds from the start of a request's work to its first token."""
    itl: float = 0.01
    """Seconds between two tokens."""
    error_rate: float = 0.0
    """Fraction of requests that are answered with `error_status`."""
    error_status: int = 503
    concurrency: int = 256
    """Requests worked on at a time; the others wait, before their `ttft` begins."""
    cached_fraction: float = 0.0
    """Fraction of each prompt's tokens that the prefix cache is said to hold."""
    completion_tokens: int | None = None
    """Length of every answer; None lets the request's `max_tokens` decide."""

    @classmethod
    def from_json(cls, wanted: dict[str, Any]) -> Behaviour:
        """Return the defaults with what is given.

        Raises:
            ValueError: a key that does not exist, or a value out of range.
        """
        unknown = set(wanted) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"no such behaviour: {', '.join(sorted(unknown))}")
        behaviour = cls(**wanted)
        if min(behaviour.ttft, behaviour.itl) < 0 or behaviour.concurrency < 1:
            raise ValueError("ttft and itl must not be negative, concurrency must be at least 1")
        if not (0 <= behaviour.error_rate <= 1 and 0 <= behaviour.cached_fraction <= 1):
            raise ValueError("error_rate and cached_fraction must lie between 0 and 1")
        return behaviour

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return dataclasses.asdict(self)
