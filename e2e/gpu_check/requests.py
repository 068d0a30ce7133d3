"""Requests to the engine: one at a time, and many streams at once with their times."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from e2e.gpu_check.engine import URL
from e2e.gpu_check.pool import MODEL
from e2e.models.corpus import DOCUMENTS

PATH = "/v1/chat/completions"
LIMIT = httpx.Timeout(180)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """How one stream went; times in seconds."""

    to_first: float
    whole: float
    tokens: int
    ended: bool
    """Whether `[DONE]` was its last line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a number of streams were at once."""

    streams: int
    to_first: float
    """Median time to the first token, in seconds."""
    to_first_p95: float
    each: float
    """Tokens per second of one stream after its first token: the median."""
    together: float
    """Tokens per second of all streams."""


def prompt(number: int, *, documents: int = 3) -> str:
    """Return a prompt whose first words no other number's has; a document is about 120 tokens."""
    chosen = [DOCUMENTS[(number + step) % len(DOCUMENTS)] for step in range(documents)]
    return f"{number}: {' '.join(chosen)}"


def body(text: str, *, tokens: int, temperature: float = 0.0) -> dict[str, object]:
    """Return a request for exactly so many tokens."""
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        "ignore_eos": True,
        "temperature": temperature,
    }


def answer(text: str, *, tokens: int, temperature: float = 0.0) -> dict:
    """Return the answer to a request that does not stream."""
    sent = body(text, tokens=tokens, temperature=temperature)
    reply = httpx.post(f"{URL}{PATH}", json=sent, timeout=LIMIT)
    reply.raise_for_status()
    return reply.json()


async def streams(
    count: int, *, first: int, tokens: int, meanwhile: Callable[[], None] | None = None
) -> list[Stream]:
    """Return how `count` streams went that ran at once.

    Args:
        count: how many.
        first: number of the first prompt.
        tokens: of each answer.
        meanwhile: called again and again, in a thread of its own, until all have ended.
    """
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=URL, limits=limits, timeout=LIMIT) as client:
        together = asyncio.gather(
            *(_stream(client, body(prompt(first + n), tokens=tokens)) for n in range(count))
        )
        while meanwhile is not None and not together.done():
            await asyncio.to_thread(meanwhile)
            await asyncio.sleep(0.05)
        return await together


def speed(count: int, *, first: int, tokens: int) -> Speed:
    """Return how fast so many streams are at once."""
    begun = time.monotonic()
    went = asyncio.run(streams(count, first=first, tokens=tokens))
    took = time.monotonic() - begun
    waits = sorted(stream.to_first for stream in went)
    return Speed(
        streams=count,
        to_first=statistics.median(waits),
        to_first_p95=waits[int(0.95 * (count - 1))],
        each=statistics.median((s.tokens - 1) / (s.whole - s.to_first) for s in went),
        together=sum(stream.tokens for stream in went) / took,
    )


async def _stream(client: httpx.AsyncClient, sent: dict[str, object]) -> Stream:
    wanted = {**sent, "stream": True, "stream_options": {"include_usage": True}}
    begun = time.monotonic()
    to_first, tokens, last = 0.0, 0, ""
    async with client.stream("POST", PATH, json=wanted) as reply:
        reply.raise_for_status()
        async for line in reply.aiter_lines():
            if not line:
                continue
            last = line.removeprefix("data: ")
            if '"usage":{' in last:
                tokens = (json.loads(last)["usage"] or {}).get("completion_tokens", 0)
            elif to_first == 0.0 and '"content":"' in last and '"content":""' not in last:
                to_first = time.monotonic() - begun
    whole = time.monotonic() - begun
    return Stream(to_first=to_first, whole=whole, tokens=tokens, ended=last == "[DONE]")
