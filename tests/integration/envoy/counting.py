"""A model server of five APIs that keeps a ledger of what it has made, and fails where it is told to."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Final, Literal

from tests.integration.envoy.replica import LAST_CHUNK, Json, Replica, chunk

PATHS: Final = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "embeddings": "/v1/embeddings",
}
WORD: Final = "hello"
"""The text of every token of a stream."""

Fate = Literal[
    "ok", "500", "503", "429", "error", "reset", "cut",
    "cut later", "reset later", "unfinished", "error later", "slow",
]  # fmt: skip
"""What becomes of an attempt. `error` is in the place of a 200's content; those with `later` come after
the first tokens; `slow` goes on until the caller has left, and a whole answer then never comes."""


@dataclass(frozen=True)
class Usage:
    """Tokens of an answer; those read from a cache are among the prompt's."""

    prompt: int
    cached: int
    completion: int

    def told(self, api: str) -> Json:
        """Return it in the words of an API."""
        match api:
            case "messages":
                own = {"input_tokens": self.prompt - self.cached, "cache_creation_input_tokens": 0}
                return own | {
                    "cache_read_input_tokens": self.cached,
                    "output_tokens": self.completion,
                }
            case "responses":
                details = {"cached_tokens": self.cached}
                own = {"input_tokens": self.prompt, "output_tokens": self.completion}
                return {**own, "input_tokens_details": details}
            case "embeddings":
                return {"prompt_tokens": self.prompt, "total_tokens": self.prompt}
            case _:
                details = {"cached_tokens": self.cached}
                own = {"prompt_tokens": self.prompt, "completion_tokens": self.completion}
                return {**own, "prompt_tokens_details": details}


@dataclass(frozen=True)
class Order:
    """What a request wants of whoever serves it; it travels in the request's body."""

    api: str
    fates: tuple[Fate, ...]
    """Of the first attempt, of the second."""
    usage: Usage
    stream: bool
    before: int
    """Tokens before a fate that comes later."""


@dataclass(frozen=True)
class Entry:
    """What one attempt has made."""

    order: Order
    whole: bool
    tokens: int
    """Sent at most; of a whole answer those of its usage."""


@dataclass
class Counting(Replica):
    """One replica; `orders` are those of all requests, by the number that is in their body."""

    orders: list[Order]
    attempt: int
    """0 for the pool that is asked first."""
    ledger: list[Entry] = field(default_factory=list)

    async def answer(
        self, asked: Json, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        order = self.orders[asked["number"]]
        fate = order.fates[self.attempt]
        if fate == "reset":
            writer.transport.abort()
            return False
        if fate in {"500", "503", "429"}:
            writer.write(_plain(int(fate), {"error": {"message": fate}}))
            return True
        if fate == "error":
            writer.write(_plain(200, {"error": {"message": "full", "type": "server_error"}}))
            return True
        if order.stream:
            return await self._stream(writer, order, fate, asked)
        if fate == "slow":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), 5)
            return False
        return self._whole(writer, order, fate)

    def _whole(self, writer: asyncio.StreamWriter, order: Order, fate: Fate) -> bool:
        answer = _plain(200, _answer(order))
        if fate == "cut":
            writer.write(answer[:-10])
            return False
        self.ledger.append(Entry(order, whole=True, tokens=order.usage.completion))
        writer.write(answer)
        return True

    async def _stream(
        self, writer: asyncio.StreamWriter, order: Order, fate: Fate, asked: Json
    ) -> bool:
        writer.write(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n")
        writer.write(b"transfer-encoding: chunked\r\n\r\n" + chunk(_begin(order)))
        if fate == "cut":
            return False
        tokens = order.before
        token = chunk(_token(order))
        writer.write(token * tokens)
        while fate == "slow" and not writer.is_closing() and tokens < order.before + 100:
            await asyncio.sleep(0.02)
            writer.write(token)
            tokens += 1
        self.ledger.append(Entry(order, fate == "ok", tokens))
        await writer.drain()
        match fate:
            case "ok":
                told = asked.get("stream_options", {}).get("include_usage", False)
                writer.write(chunk(_end(order, told=told)) + LAST_CHUNK)
            case "unfinished":
                writer.write(LAST_CHUNK)
            case "error later":
                writer.write(chunk(_event({"error": {"message": "full"}}, "error")) + LAST_CHUNK)
            case "reset later":
                writer.transport.abort()
        return fate in {"ok", "unfinished", "error later"}


def _plain(status: int, body: Json) -> bytes:
    text = json.dumps(body)
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(text)}"
    return f"{head}\r\n\r\n{text}".encode()


def _event(data: Json, name: str) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _choice(**more: object) -> str:
    return f"data: {json.dumps({'choices': [{'index': 0, 'finish_reason': None, **more}]})}\n\n"


def _answer(order: Order) -> Json:
    usage = order.usage.told(order.api)
    match order.api:
        case "chat":
            message = {"role": "assistant", "content": WORD}
            return {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
        case "completions":
            return {"choices": [{"text": WORD, "finish_reason": "stop"}], "usage": usage}
        case "responses":
            return {"object": "response", "status": "completed", "output": [], "usage": usage}
        case "messages":
            return {"type": "message", "stop_reason": "end_turn", "content": [], "usage": usage}
        case _:
            return {"object": "list", "data": [{"embedding": [0.5]}], "usage": usage}


def _begin(order: Order) -> str:
    match order.api:
        case "chat":
            return _choice(delta={"role": "assistant", "content": ""})
        case "completions":
            return ": begins\n\n"
        case "responses":
            return _event({"type": "response.created", "response": {}}, "response.created")
        case _:
            first = Usage(order.usage.prompt, order.usage.cached, 1).told("messages")
            return _event({"type": "message_start", "message": {"usage": first}}, "message_start")


def _token(order: Order) -> str:
    match order.api:
        case "chat":
            return _choice(delta={"content": WORD})
        case "completions":
            return _choice(text=WORD)
        case "responses":
            kind = "response.output_text.delta"
            return _event({"type": kind, "delta": WORD}, kind)
        case _:
            delta = {"type": "text_delta", "text": WORD}
            kind = "content_block_delta"
            return _event({"type": kind, "index": 0, "delta": delta}, kind)


def _end(order: Order, *, told: bool) -> str:
    usage = order.usage.told(order.api)
    match order.api:
        case "responses":
            response = {"status": "completed", "usage": usage}
            kind = "response.completed"
            return _event({"type": kind, "response": response}, kind)
        case "messages":
            kind = "message_delta"
            last = {"type": kind, "delta": {"stop_reason": "end_turn"}, "usage": usage}
            return _event(last, kind) + _event({"type": "message_stop"}, "message_stop")
        case api:
            rest = {"delta": {}} if api == "chat" else {"text": ""}
            stop = _choice(**rest, finish_reason="stop")  # type: ignore[arg-type]
            more = f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n" if told else ""
            return f"{stop}{more}data: [DONE]\n\n"
