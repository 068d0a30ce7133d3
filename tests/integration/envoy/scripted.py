"""A model server that plays a script, byte by byte, and a client that sees every byte.

Real servers cannot be made to fail on purpose in the ways that matter here: between headers and first
token, in the middle of an event, or by an error inside a 200.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.integration.envoy.replica import LAST_CHUNK, Json, Replica, chunk


@dataclass(frozen=True)
class Head:
    """Status and headers; the body follows in chunks."""

    status: int = 200
    kind: str = "text/event-stream"
    more: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Data:
    """One chunk of the body."""

    text: str


@dataclass(frozen=True)
class Raw:
    """Bytes as they are: another head than `Head`, or an answer that is not chunked."""

    content: bytes


@dataclass(frozen=True)
class Pause:
    """Seconds of silence; the script ends where the router goes away meanwhile."""

    seconds: float


@dataclass(frozen=True)
class Gate:
    """The script waits here until the test lets it go on."""

    opened: asyncio.Event


class End:
    """The body's well-formed end."""


class Cut:
    """The connection is closed without an end."""


class Reset:
    """The connection is reset."""


Step = Head | Data | Raw | Pause | Gate | type[End] | type[Cut] | type[Reset]
Script = tuple[Step, ...]


def event(data: Json | str, name: str = "") -> Data:
    """Return one event of a stream."""
    text = data if isinstance(data, str) else json.dumps(data)
    return Data(f"event: {name}\ndata: {text}\n\n" if name else f"data: {text}\n\n")


def token(text: str) -> Data:
    return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})


SSE = Head()
WHOLE = Head(kind="application/json")
ROLE = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
STOP = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
DONE = event("[DONE]")
GOOD: Script = (SSE, ROLE, token("good"), STOP, DONE, End)
GOOD_WHOLE: Script = (
    WHOLE,
    Data(
        '{"choices":[{"message":{"content":"good"},"finish_reason":"stop"}],'
        '"usage":{"prompt_tokens":11,"completion_tokens":7}}'
    ),
    End,
)


def _bytes(step: Head | Data | Raw) -> bytes:
    if isinstance(step, Raw):
        return step.content
    if isinstance(step, Data):
        return chunk(step.text)
    lines = [f"HTTP/1.1 {step.status} X", f"content-type: {step.kind}"]
    lines += [f"{name}: {value}" for name, value in step.more]
    return "\r\n".join([*lines, "transfer-encoding: chunked", "", ""]).encode()


@dataclass
class Scripted(Replica):
    """One replica. What no pause is between goes out in one write."""

    script: Script = GOOD
    requests: list[Json] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    """Numbers of requests during which the router went away."""

    async def answer(
        self, asked: Json, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        self.requests.append(asked)
        ready = b""
        for step in self.script:
            match step:
                case Head() | Data() | Raw():
                    ready += _bytes(step)
                    continue
                case _ if step is End:
                    ready += LAST_CHUNK
                    continue
            writer.write(ready)
            await writer.drain()
            ready = b""
            match step:
                case Pause(seconds):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(1), seconds)
                        self.left.append(len(self.requests) - 1)
                        return False
                case Gate(opened):
                    await opened.wait()
                case _ if step is Reset:
                    writer.transport.abort()
                    return False
                case _:
                    return False
        writer.write(ready)
        await writer.drain()
        return True


@dataclass
class Seen:
    """What a client got."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    whole: bool = False
    """The answer had its well-formed end."""
    seconds: float = 0.0
    first: float = 0.0
    """Seconds to the headers."""

    @property
    def pool(self) -> str:
        return self.headers["x-tokenfleet-served-by"].partition(";")[0].rpartition("/")[2]

    @property
    def attempts(self) -> int:
        return int(self.headers["x-tokenfleet-served-by"].rpartition("=")[2])


PATIENCE = 60.0
"""Seconds after which a client gives up."""


async def ask(
    port: int,
    body: Json,
    *,
    path: str = "/v1/chat/completions",
    headers: dict[str, str] | None = None,
    leaves: Callable[[Seen], bool] = lambda _: False,
) -> Seen:
    """Send one request over HTTP/1.1 and read the answer to its end, whatever that is.

    Args:
        leaves: asked again and again with what has come so far; the client goes away when it says so.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    started = asyncio.get_running_loop().time()
    writer.write("\r\n".join([*lines, "", ""]).encode() + content)
    seen = Seen()
    reading = asyncio.create_task(_read(reader, seen, started))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not (reading.done() or leaves(seen)):
                await asyncio.wait([reading], timeout=0.01)
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
        await reading
    writer.close()
    seen.seconds = asyncio.get_running_loop().time() - started
    return seen


async def _read(reader: asyncio.StreamReader, seen: Seen, started: float) -> None:
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
    seen.first = asyncio.get_running_loop().time() - started
    seen.status = int(status.split(" ")[1])
    seen.headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    if "content-length" in seen.headers:
        seen.body = (await reader.readexactly(int(seen.headers["content-length"]))).decode()
        seen.whole = True
        return
    while size := int(await reader.readuntil(b"\r\n"), 16):
        seen.body += (await reader.readexactly(size + 2))[:-2].decode()
    seen.whole = await reader.readexactly(2) == b"\r\n"
