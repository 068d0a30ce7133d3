"""Clients that mean harm, in raw bytes, and what those beside them get meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import httpx

from tests.bench.figures import record

if TYPE_CHECKING:
    from tests.integration.envoy.conftest import Fleet

HOST: Final = "127.0.0.1"
TCP_ESTABLISHED: Final = 1
"""tcp_info.tcpi_state (linux/tcp.h)."""


@contextlib.asynccontextmanager
async def beside(fleet: Fleet, attack: str) -> AsyncIterator[None]:
    """Ask one small request after the other while the attack runs; every one has to be served.

    They come from a process of their own, and so does the engine that answers them: what slows the
    attacker down does not show.
    """
    honest = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(fleet.router.ports.traffic),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert honest.stdout is not None
    try:
        await honest.stdout.readline()
        yield
    finally:
        told, _ = await honest.communicate(b"")
    seconds, wrong = json.loads(told)
    p50, p99 = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
    print(
        f"\n{attack}: {len(seconds)} served beside it,"
        f" p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms"
    )
    told = {"p50_ms": round(p50 * 1e3, 1), "p99_ms": round(p99 * 1e3, 1)}
    record(f"beside {attack}", {"served": len(seconds), **told})
    assert wrong == []


LEAST: Final = 200
"""Honest requests beside each attack."""


async def ask_honestly(port: int) -> None:
    """Ask until the input ends, then tell the seconds of each request, and the wrong statuses."""
    seconds: list[float] = []
    wrong: list[int] = []
    over = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    async with httpx.AsyncClient(timeout=120) as client:
        while len(seconds) < LEAST or not over.done():
            began = time.perf_counter()
            answer = await client.post(
                f"http://{HOST}:{port}/v1/chat/completions",
                json={"model": "chat", "messages": []},
                headers={"x-tokenfleet-feature": "suggestions"},
            )
            seconds.append(time.perf_counter() - began)
            if len(seconds) == 1:
                print(flush=True)
            if answer.status_code != httpx.codes.OK:
                wrong.append(answer.status_code)
            await asyncio.sleep(0.002)
    print(json.dumps([seconds, wrong]))


def resident(fleet: Fleet) -> int:
    """Return Envoy's resident memory, in bytes."""
    assert fleet.router.process is not None
    status = Path(f"/proc/{fleet.router.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def established(writer: asyncio.StreamWriter) -> bool:
    """Whether the other end still holds the connection; reads nothing from it."""
    if writer.transport.is_closing():
        return False
    held: socket.socket = writer.get_extra_info("socket")
    state: int = held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state == TCP_ESTABLISHED


class Connections:
    """Connections that are closed together."""

    def __init__(self, fleet: Fleet) -> None:
        self._port = fleet.router.ports.traffic
        self._writers: list[asyncio.StreamWriter] = []

    async def open(
        self, sent: bytes = b"", *, window: int | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open one and send bytes; `window`: most bytes that are read from the network ahead."""
        limit = {} if window is None else {"limit": window}
        reader, writer = await asyncio.open_connection(HOST, self._port, **limit)
        self._writers.append(writer)
        writer.write(sent)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        return reader, writer

    async def many(self, count: int, sent: bytes = b"", *, at_once: int = 200) -> None:
        """Open that many."""
        for first in range(0, count, at_once):
            number = min(at_once, count - first)
            await asyncio.gather(*(self.open(sent) for _ in range(number)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all, without a word."""
        for writer in self._writers:
            if writer.transport is not None:
                writer.transport.abort()


async def talk(fleet: Fleet, sent: bytes, *, patience: float = 60.0) -> bytes:
    """Send bytes on a connection of their own; return all that comes back, until silence or its end."""
    received = b""
    async with Connections(fleet) as opened:
        reader, _ = await opened.open(sent)
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(patience):
                while part := await reader.read(65536):
                    received += part
                    if complete(received):
                        break
    return received


def complete(received: bytes) -> bool:
    """Whether the last answer in it is whole."""
    head, end, body = received.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    lengths = [
        line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    return bool(end and lengths) and len(body) >= int(lengths[0])


def statuses(received: bytes) -> Sequence[int]:
    """Return the status of each answer."""
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:] if part[:3].isdigit()]


if __name__ == "__main__":
    asyncio.run(ask_honestly(int(sys.argv[1])))
