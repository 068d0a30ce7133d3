"""What a client program shares: cases by name, run one after the other, told as JSON on stdout.

A program runs in an environment of its own with `ROUTER` (the router's address) set. The models:

    chat, org/chat   a real engine
    throttled        429 with `Retry-After: 7`, always
    flaky            429 with `Retry-After: 0` for the first request of every two, then an answer
    broken           500, always
    cut              two tokens, then the connection breaks
    silent           accepts, and never answers
"""

import asyncio
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

ROUTER = os.environ["ROUTER"]
QUESTION = [{"role": "user", "content": "tell me about the fleet and its router"}]
LONG = "words and words " * 4000
"""Far more tokens than the engine's context window of 2048."""
HUGE = "x" * (9 << 20)
"""More bytes than the router's body limit of 8 MiB."""

E = TypeVar("E", bound=Exception)

_cases: dict[str, Callable[[], object]] = {}


def case(claim: Callable[[], object]) -> Callable[[], object]:
    """Register a case; its name is the claim."""
    _cases[claim.__name__] = claim
    return claim


def raised(kind: type[E], call: Callable[..., object], **request: object) -> E:
    """Call, and return the error of this type that it raises."""
    try:
        call(**request)
    except kind as error:
        return error
    msg = f"nothing raised, where {kind.__name__} was expected"
    raise AssertionError(msg)


def run() -> None:
    """Run all cases and print `{"name": ""}`, or the trace of what went wrong, by case."""
    found = {}
    for name, claim in _cases.items():
        try:
            result = claim()
            if inspect.isawaitable(result):
                asyncio.run(_bounded(result))
            found[name] = ""
        except Exception:  # noqa: BLE001  # whatever it is, the other cases are told too
            found[name] = traceback.format_exc()
        print(f"{name}: {'ok' if not found[name] else 'FAILED'}", file=sys.stderr)
    print(json.dumps(found))


async def _bounded(awaitable: object) -> None:
    await awaitable
