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
    concurrency: int | None = None
    """Requests worked on at a time; the others wait, before their `ttft` begins. None: as many as
    the command line says."""
    cached_fraction: float | None = None
    """Fraction of each prompt's tokens that the prefix cache is said to hold; None: what it has
    seen. Either way the first token takes `ttft`."""
    acceptance: float = 0.7
    """Fraction of drafted tokens that are accepted, where the engine speculates."""
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
        places = 1 if behaviour.concurrency is None else behaviour.concurrency
        if min(behaviour.ttft, behaviour.itl) < 0 or places < 1:
            raise ValueError("ttft and itl must not be negative, concurrency must be at least 1")
        parts = behaviour.error_rate, behaviour.cached_fraction or 0, behaviour.acceptance
        if not all(0 <= part <= 1 for part in parts):
            raise ValueError("error_rate, cached_fraction and acceptance must lie between 0 and 1")
        return behaviour

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return dataclasses.asdict(self)
