"""A replica that a test writes byte by byte: HTTP/1.1 over raw asyncio."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

Json = dict[str, Any]


class Replica:
    """Listens, and hands each request's body to `answer`."""

    port: int = 0
    """0 before it serves: any free port."""
    under_way: int = 0
    """Requests that `answer` is busy with."""
    connections: tuple[asyncio.StreamWriter, ...] = ()
    """All that were ever opened; the replica itself closes none that is idle."""

    async def answer(
        self, asked: Json, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer a request; return whether the connection stays."""
        raise NotImplementedError

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += (writer,)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        _, _, rest = head.lower().partition(b"content-length:")
        asked = json.loads(await reader.readexactly(int(rest.split(b"\r\n", 1)[0])))
        self.under_way += 1
        try:
            return await self.answer(asked, reader, writer)
        finally:
            self.under_way -= 1


def chunk(text: str) -> bytes:
    """Return one chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(text.encode()), text.encode())


LAST_CHUNK = b"0\r\n\r\n"
