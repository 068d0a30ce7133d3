"""What the router is measured with: a server that answers at once, and closed-loop clients.

Both speak just enough HTTP/1.1 over raw asyncio, so that little of the machine goes to them. The
request says in its body how it wants to be answered: whole, as a stream in one go, or paced.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Self

CHUNKS = 50
"""Events of a stream, the last one without content; a request may ask for another number."""
GAP = 0.01
"""Seconds between the events of a paced stream."""


def body(words: int = 6, **members: object) -> bytes:
    """A request of so many words."""
    asked = {"messages": [{"role": "user", "content": "word " * words}], **members}
    return json.dumps({"model": "chat", **asked}).encode()


def stream(pace: str, events: int = CHUNKS) -> bytes:
    """A request for a stream of so many events; with usage, so that both sides carry the same bytes."""
    usage = {"include_usage": True}
    return body(user=pace, max_tokens=events - 1, stream=True, stream_options=usage)


BODY = body()
BODIES = {
    "small": BODY,
    "33 KB": body(6_600),
    "128 KB": body(26_000),
    "burst stream": stream("burst"),
    "paced stream": stream("paced"),
}
STREAMS = {"burst stream": "burst", "paced stream": "paced"}
"""How each of them is paced."""

_WHOLE = json.dumps({"id": "1", "object": "chat.completion", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
], "usage": {"prompt_tokens": 9, "completion_tokens": 8}}).encode()  # fmt: skip
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_WHOLE),
    _WHOLE,
)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _piece(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(content: dict[str, object], finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": content, "finish_reason": finish}
    chunk = {"id": "1", "object": "chat.completion.chunk", "choices": [choice], **more}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@cache
def _events(tokens: int) -> tuple[bytes, ...]:
    usage = {"prompt_tokens": 9, "completion_tokens": tokens}
    return (
        *(_piece(_event({"content": "tok "})) for _ in range(tokens)),
        _piece(_event({}, "stop")),
        _piece(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"),
        _piece(b"data: [DONE]\n\n") + b"0\r\n\r\n",
    )


class Answering(asyncio.Protocol):
    """Answers every request with the same bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.pending = transport, b""

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            head = self.pending[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.pending) < end + 4 + length:
                return
            asked = self.pending[end + 4 : end + 4 + length]
            self.pending = self.pending[end + 4 + length :]
            self.answer(asked)

    def answer(self, asked: bytes) -> None:
        # Some routers write the body anew, without spaces.
        if b'"stream": true' not in asked and b'"stream":true' not in asked:
            self.transport.write(RESPONSE)  # type: ignore[attr-defined]
            return
        events = _events(json.loads(asked)["max_tokens"])
        if b'"paced"' not in asked:
            self.transport.write(_HEAD + b"".join(events))  # type: ignore[attr-defined]
        else:
            asyncio.get_running_loop().create_task(self.paced(events))

    async def paced(self, events: Sequence[bytes]) -> None:
        self.transport.write(_HEAD)  # type: ignore[attr-defined]
        for event in events:
            self.transport.write(event)  # type: ignore[attr-defined]
            await asyncio.sleep(GAP)


async def answer(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
    await server.serve_forever()


@dataclass
class Load:
    """Asks again as soon as answered."""

    port: int
    body: bytes = BODY
    connections: int = 16
    latencies: list[float] = field(default_factory=list)
    """Seconds of each request; of streams, to the first byte of the body."""
    head: bytes = b""
    """The last answer's headers, lower case."""
    _open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        opened = (asyncio.open_connection("127.0.0.1", self.port, limit=2**22)
                  for _ in range(self.connections))  # fmt: skip
        self._open = await asyncio.gather(*opened)
        return self

    async def __aexit__(self, *_: object) -> None:
        for _, writer in self._open:
            writer.close()
        self._open = []

    async def for_seconds(self, seconds: float) -> None:
        """Ask on connections of its own for so long."""
        until = time.monotonic() + seconds
        async with self:
            await self._run(lambda: time.monotonic() < until)

    async def times(self, count: int) -> None:
        """Ask so many times, on the connections that are open."""
        left = iter(range(count))
        await self._run(lambda: next(left, None) is not None)

    async def _run(self, more: Callable[[], bool]) -> None:
        await asyncio.gather(
            *(
                self._one(number, reader, writer, more)
                for number, (reader, writer) in enumerate(self._open)
            )
        )

    async def _one(
        self,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        more: Callable[[], bool],
    ) -> None:
        wanted = (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: router\r\n"
            b"content-type: application/json\r\nx-session-id: %d\r\ncontent-length: %d\r\n\r\n%b"
            % (number, len(self.body), self.body)
        )
        while more():
            started = time.perf_counter()
            writer.write(wanted)
            self.head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert self.head.startswith(b"http/1.1 200"), self.head
            if b"\r\ncontent-length:" in self.head:
                length = int(self.head.split(b"\r\ncontent-length:")[1].split(b"\r\n", 1)[0])
                await reader.readexactly(length)
                self.latencies.append(time.perf_counter() - started)
            else:
                await reader.readuntil(b"\r\n")
                self.latencies.append(time.perf_counter() - started)
                await reader.readuntil(b"0\r\n\r\n")


async def closed_loop(
    port: int, *, seconds: float, connections: int, body: bytes = BODY
) -> list[float]:
    """Return the latency of every request, in seconds.

    Raises:
        AssertionError: an answer was not 200.
    """
    load = Load(port, body, connections)
    await load.for_seconds(seconds)
    return load.latencies


if __name__ == "__main__":
    asyncio.run(answer(int(sys.argv[1])))
