"""What the router is measured with: a server that answers at once, and a closed-loop client.

Both speak just enough HTTP/1.1 over raw asyncio, so that little of the machine goes to them.
"""

import asyncio
import sys
import time

BODY = b'{"model":"chat","messages":[{"role":"user","content":"hello world, how are you today?"}]}'
ANSWER = b'{"id":"1","object":"chat.completion","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":8}}'
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
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
            self.pending = self.pending[end + 4 + length :]
            self.transport.write(RESPONSE)  # type: ignore[attr-defined]


async def answer(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
    await server.serve_forever()


async def closed_loop(
    port: int, *, seconds: float, connections: int, body: bytes = BODY
) -> list[float]:
    """Ask again as soon as answered; return the latency of every request, in seconds.

    Raises:
        AssertionError: an answer was not 200.
    """
    request = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: router\r\ncontent-type: application/json\r\n"
        b"x-session-id: %d\r\ncontent-length: %d\r\n\r\n%b"
    )
    latencies: list[float] = []
    until = time.monotonic() + seconds

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        wanted = request % (number, len(body), body)
        while time.monotonic() < until:
            started = time.perf_counter()
            writer.write(wanted)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200"), head
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
    return latencies


if __name__ == "__main__":
    asyncio.run(answer(int(sys.argv[1])))
