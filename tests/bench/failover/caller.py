"""One streamed request, judged as a careful client judges it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.bench.failover.wall import WORDS

PROMPT: Final = "Tell in sixty words why gateways are judged by how they fail."


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back."""

    ended: str
    """answer, error, or hang: nothing before the limit."""
    text: str = ""
    model: str | None = None
    """As the answer names it."""
    usage: bool = False
    seconds: float
    why: str = ""
    """Of an error."""

    @property
    def complete(self) -> bool:
        """Whether it is the whole answer, word for word."""
        return self.ended == "answer" and tuple(self.text.split()) == WORDS


async def ask(client: httpx.AsyncClient, url: str, model: str, most: float) -> Outcome:
    """Ask for a stream; a call that takes more than `most` seconds is a hang."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(most):
            ended = await _ask(client, url, model)
    except TimeoutError:
        ended = {"ended": "hang"}
    except httpx.HTTPError as error:
        ended = {"ended": "error", "why": f"{type(error).__name__} {error}"}
    return Outcome(seconds=time.monotonic() - began, **ended)


async def _ask(client: httpx.AsyncClient, url: str, model: str) -> dict[str, Any]:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": PROMPT}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    answer: dict[str, Any] = {"ended": "answer", "text": ""}
    async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
        if response.status_code != httpx.codes.OK:
            return {"ended": "error", "why": f"{response.status_code} {await response.aread()!r}"}
        async for event in _events(response):
            if event.get("error"):
                return {**answer, "ended": "error", "why": json.dumps(event["error"])}
            answer["model"] = event.get("model") or answer.get("model")
            answer["usage"] = answer.get("usage", False) or bool(event.get("usage"))
            for choice in event.get("choices") or ():
                answer["text"] += (choice.get("delta") or {}).get("content") or ""
    return answer


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Yield the events up to the sentinel; what is no JSON is skipped."""
    async for line in response.aiter_lines():
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        if not line.startswith("data:"):
            continue
        try:
            event = json.loads(data)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event
