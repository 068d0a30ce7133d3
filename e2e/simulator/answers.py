"""Bodies of the OpenAI API in the shapes that vLLM 0.32 gives them.

A stream ends with a chunk without choices that carries its usage, where the request asked for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WORDS = (
    "the ",
    "fleet ",
    "answers ",
    "in ",
    "time ",
    "and ",
    "the ",
    "budget ",
    "holds ",
    "today, ",
)
FINGERPRINT = "vllm-simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is the same in every body of one answer."""

    identity: str
    created: int
    model: str
    chat: bool
    prompt_tokens: int
    cached_tokens: int
    with_usage: bool
    """Whether the request wants usage at the end of a stream."""

    def whole(self, tokens: int) -> dict[str, Any]:
        """Return the body of an answer that is not streamed."""
        text = "".join(word(number) for number in range(tokens))
        said: dict[str, Any] = (
            {"message": {"role": "assistant", "content": text, "refusal": None}}
            if self.chat
            else {"text": text}
        )
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": "length"}
        return {
            **self._head("chat.completion" if self.chat else "text_completion"),
            "choices": [{**choice, "stop_reason": None}],
            "system_fingerprint": FINGERPRINT,
            "usage": self._total(tokens),
        }

    def opening(self) -> list[dict[str, Any]]:
        """Return the chunks before the first token: a chat says who speaks."""
        if not self.chat:
            return []
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None}
        return [self._chunk([{**choice, "finish_reason": None}])]

    def token(self, number: int, *, last: bool) -> dict[str, Any]:
        """Return the chunk of one token, counted from 0."""
        said: dict[str, Any] = (
            {"delta": {"content": word(number)}} if self.chat else {"text": word(number)}
        )
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": "length" if last else None}
        return self._chunk([choice])

    def closing(self, tokens: int) -> dict[str, Any]:
        """Return the chunk with the usage of the whole answer."""
        usage = {"usage": self._total(tokens)}
        return {**self._chunk([]), **usage, "system_fingerprint": FINGERPRINT}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.identity, "object": kind, "created": self.created, "model": self.model}

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return {**self._head(kind), "choices": choices}

    def _total(self, tokens: int) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.prompt_tokens + tokens,
            "completion_tokens": tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }


def word(number: int) -> str:
    """Return the text of one token."""
    return WORDS[number % len(WORDS)]


def event(body: dict[str, Any]) -> bytes:
    """Return one server-sent event."""
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def error(status: int, message: str, kind: str, param: str | None) -> dict[str, Any]:
    """Return an error body."""
    return {"error": {"message": message, "type": kind, "param": param, "code": status}}


def model_list(
    names: Sequence[str], adapters: Mapping[str, str], *, created: int, window: int
) -> dict[str, Any]:
    """Return the body of `GET /v1/models`; adapters are name -> path."""
    entry = {"object": "model", "created": created, "owned_by": "vllm", "parent": None}
    data = [{"id": name, **entry, "root": name, "max_model_len": window} for name in names]
    data += [
        {"id": name, **entry, "root": path, "parent": names[0], "max_model_len": None}
        for name, path in adapters.items()
    ]
    return {"object": "list", "data": data}
