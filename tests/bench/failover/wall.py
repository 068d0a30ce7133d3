"""A model server that fails on purpose, in the way that the name of the model says.

Faults of Failover Bench (methodology v0.1); written from its catalogue's words. It speaks HTTP/1.1
over raw asyncio, because a framework cannot reset a connection before the headers, cut a chunked
answer without its last chunk, or fall silent within it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

TEXT: Final = (
    "A gateway is believed only once the engine behind it has failed, for then it must choose:"
    " wait or ask another, repeat or stop, speak plainly or stay silent. Whoever watched it answer"
    " ten thousand quiet requests knows nothing of that hour. So break the engine on purpose, in"
    " sixteen ways, and look at what all its callers see then."
)
WORDS: Final = tuple(TEXT.split())
"""The whole answer: sixty words."""

CUT_AFTER: Final = 40
STALL_AFTER: Final = 20
MALFORMED_AT: Final = 10
PACE: Final = 0.015
"""Seconds between words."""
RETRY_AFTER: Final = 2
SLOW: Final = 20.0
STALL: Final = 30.0
SILENCE: Final = 120.0
DOWN: Final = 60.0
"""Seconds for which a flapping model is down, from its first request on."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One attempt that arrived."""

    at: float
    """Seconds of the monotonic clock."""
    said: str
    """What it was answered: a status, with a word where that is not all."""


class Wall:
    """The server; it listens on as many ports as there are replicas."""

    def __init__(self) -> None:
        self.attempts: dict[str, list[Seen]] = defaultdict(list)
        """By model, in the order of arrival."""
        self.ports: tuple[int, ...] = ()
        self._servers: list[asyncio.Server] = []

    async def start(self, replicas: int) -> None:
        """Listen."""
        for _ in range(replicas):
            self._servers.append(await asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.ports = tuple(server.sockets[0].getsockname()[1] for server in self._servers)

    async def stop(self) -> None:
        """Stop listening; answers under way are cut."""
        for server in self._servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _request(reader)) is not None:
                answer = Answer(writer, request)
                if not request:  # of a router that asks whether it is well
                    await answer.well()
                    continue
                model = request["model"]
                self.attempts[model].append(Seen(time.monotonic(), "nothing"))
                place = len(self.attempts[model]) - 1
                said = await self._answer(model, place, answer, reader)
                self.attempts[model][place] = Seen(self.attempts[model][place].at, said)
                if writer.is_closing():
                    return
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(
        self, model: str, earlier: int, answer: Answer, reader: asyncio.StreamReader
    ) -> str:
        fault = FAULTS.get(model)
        if fault is not None:
            return await fault(answer, earlier)
        if model == "silent":
            await asyncio.wait({asyncio.ensure_future(reader.read(1))}, timeout=SILENCE)
            answer.writer.close()
            return "nothing"
        if model == "flapping":
            down = time.monotonic() - self.attempts[model][0].at < DOWN
            return await (overloaded(answer, earlier) if down else answer.whole())
        return await answer.whole()


async def _request(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """Return the body, empty where the request has none; `None` at the end of the connection."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    except asyncio.IncompleteReadError:
        return None
    lengths = [line[15:] for line in head.split("\r\n") if line.startswith("content-length:")]
    length = int(lengths[0]) if lengths else 0
    body: dict[str, Any] = json.loads(await reader.readexactly(length)) if length else {}
    return body


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request."""

    writer: asyncio.StreamWriter
    request: dict[str, Any]

    async def refuse(self, status: int, code: str, message: str, *more: str) -> str:
        """Answer with an error."""
        error = {"message": message, "type": code, "param": None, "code": code}
        body = json.dumps({"error": error}).encode()
        self._head(status, f"content-length: {len(body)}", "content-type: application/json", *more)
        self.writer.write(body)
        await self.writer.drain()
        return str(status)

    async def well(self) -> None:
        """Answer a question that is no request for a model."""
        self._head(200, "content-length: 0")
        await self.writer.drain()

    async def whole(self) -> str:
        """Answer as a healthy model does."""
        await self.begin()
        await self.words(0, len(WORDS))
        await self.end()
        return "200"

    async def begin(self) -> None:
        """Send the headers of a stream."""
        self._head(200, "content-type: text/event-stream", "transfer-encoding: chunked")
        await self.writer.drain()

    async def words(self, first: int, end: int) -> None:
        """Send words of the answer, each in an event of its own; who speaks, before the first."""
        if first == 0:
            await self.event(self._chunk({"role": "assistant", "content": ""}))
        for number in range(first, end):
            await self.event(self._chunk({"content": " " * (number > 0) + WORDS[number]}))
            await asyncio.sleep(PACE)

    async def end(self, *, done: bool = True) -> None:
        """End a stream as it should."""
        await self.event(self._chunk({}, finish="stop"))
        if (self.request.get("stream_options") or {}).get("include_usage"):
            counts = {"prompt_tokens": 20, "completion_tokens": len(WORDS)}
            await self.event({**self._chunk({}), "choices": [], "usage": counts})
        if done:
            await self.event("[DONE]")
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def event(self, data: dict[str, Any] | str) -> None:
        """Send one event, in a chunk of its own."""
        text = data if isinstance(data, str) else json.dumps(data)
        raw = f"data: {text}\n\n".encode()
        self.writer.write(b"%x\r\n%b\r\n" % (len(raw), raw))
        await self.writer.drain()

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "wall-1", "object": "chat.completion.chunk", "created": 1}
        return {**chunk, "model": self.request["model"], "choices": [choice]}

    def _head(self, status: int, *headers: str) -> None:
        lines = (f"HTTP/1.1 {status} Said", *headers, "", "")
        self.writer.write("\r\n".join(lines).encode())


async def limited_once(answer: Answer, earlier: int) -> str:
    """429 with `Retry-After`, the first time."""
    if earlier:
        return await answer.whole()
    return await answer.refuse(
        429, "rate_limit_exceeded", "slow down", f"retry-after: {RETRY_AFTER}"
    )


async def limited(answer: Answer, _: int) -> str:
    """429 every time."""
    return await answer.refuse(429, "rate_limit_exceeded", "slow down")


async def fails_once(answer: Answer, earlier: int) -> str:
    """500, the first time."""
    return await (answer.whole() if earlier else answer.refuse(500, "server_error", "it failed"))


async def overloaded(answer: Answer, _: int) -> str:
    """503 every time."""
    return await answer.refuse(503, "overloaded", "the engine is overloaded")


async def resets_once(answer: Answer, earlier: int) -> str:
    """The connection is reset before the headers, the first time."""
    if earlier:
        return await answer.whole()
    connection = answer.writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    answer.writer.close()
    return "reset"


async def slow(answer: Answer, _: int) -> str:
    """Headers at once, the first word late."""
    await answer.begin()
    await asyncio.sleep(SLOW)
    await answer.words(0, len(WORDS))
    await answer.end()
    return "200 late"


async def cut(answer: Answer, _: int) -> str:
    """The stream breaks off."""
    await answer.begin()
    await answer.words(0, CUT_AFTER)
    answer.writer.close()
    return "200 cut"


async def stalled(answer: Answer, _: int) -> str:
    """The stream falls silent, then breaks off."""
    await answer.begin()
    await answer.words(0, STALL_AFTER)
    await asyncio.sleep(STALL)
    answer.writer.close()
    return "200 stalled"


async def malformed(answer: Answer, _: int) -> str:
    """One event more than there should be, which is no JSON."""
    await answer.begin()
    await answer.words(0, MALFORMED_AT)
    await answer.event('{"id": "wall-1", "choices": [{"delta": {"content": ')
    await answer.words(MALFORMED_AT, len(WORDS))
    await answer.end()
    return "200 malformed"


async def without_done(answer: Answer, _: int) -> str:
    """A whole stream without the sentinel at its end."""
    await answer.begin()
    await answer.words(0, len(WORDS))
    await answer.end(done=False)
    return "200 without its sentinel"


async def too_long(answer: Answer, _: int) -> str:
    """400: the prompt does not fit."""
    message = "This model's maximum context length is 8192 tokens. You asked for 9000 tokens."
    return await answer.refuse(400, "context_length_exceeded", message)


async def filtered(answer: Answer, _: int) -> str:
    """400: the prompt is not wanted."""
    return await answer.refuse(400, "content_policy_violation", "rejected by the safety system")


async def no_prefill(answer: Answer, _: int) -> str:
    """400 where the last message is the assistant's; else healthy."""
    if answer.request["messages"][-1]["role"] == "assistant":
        await answer.refuse(400, "invalid_prefill", "the last message must be the user's")
        return "400 prefill"
    return await answer.whole()


FAULTS: Final[dict[str, Callable[[Answer, int], Awaitable[str]]]] = {
    "limited-once": limited_once,
    "limited": limited,
    "fails-once": fails_once,
    "overloaded": overloaded,
    "resets-once": resets_once,
    "slow": slow,
    "cut": cut,
    "stalled": stalled,
    "malformed": malformed,
    "without-done": without_done,
    "too-long": too_long,
    "filtered": filtered,
    "cut-before-no-prefill": cut,
    "overloaded-counted": overloaded,
    "no-prefill": no_prefill,
}
