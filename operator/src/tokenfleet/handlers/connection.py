"""The connection that Kopf watches by.

Kopf asks again at once when a watch ends: a server whose watches do not last would be asked
hundreds of times a second. And it fails, with the process, when a collection is answered 404, or
when the server ends a watch with an error: a definition of somebody else that is deleted, or an
etcd without a leader for a moment, would end the operator. All of it is mended where requests and
answers pass.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Any, Final, cast

import aiohttp
import kopf

from tokenfleet.handlers.settings import EndlessBackoff

LONG_ENOUGH: Final = 1.0
"""Seconds that a watch lasts when nothing is wrong."""
LONGEST_PAUSE: Final = 15.0
"""Seconds before jitter; a paused list must still end within its `request_timeout`."""

ERROR: Final = b'{"type":"ERROR","object":'
"""How the API server begins the line of an error; in JSON, only a line can begin so."""
GONE: Final = b'"code":410'
EXPIRED: Final = ERROR + b"{" + GONE + b"}}\n"
"""What Kopf answers with a new list."""
TOLD: Final = 300
"""Bytes of an error that are logged."""

log = logging.getLogger(__name__)

Pause = Callable[[float], Awaitable[None]]


class Pacing:
    """Lets the next request for a collection wait, the longer the more watches did not last."""

    def __init__(
        self, *, pause: Pause = asyncio.sleep, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Know of no watch."""
        self._pause, self._monotonic = pause, monotonic
        self._begun: dict[str, float] = {}
        self._pauses: dict[str, Iterator[float]] = {}

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send a request when it is time (aiohttp's client middleware).

        Raises:
            ClientConnectionError: the collection is not there; Kopf asks again until it is.
        """
        path = request.url.path
        await self._wait(path)
        watches = request.url.query.get("watch") == "true"
        if watches:
            self._begun[path] = self._monotonic()
        answer = await handler(request)
        if answer.status == HTTPStatus.NOT_FOUND and (watches or "limit" in request.url.query):
            answer.close()
            msg = f"{path} is not served"
            raise aiohttp.ClientConnectionError(msg)
        if watches and answer.status == HTTPStatus.OK:
            answer.content = cast("aiohttp.StreamReader", Events(path, answer.content))
        return answer

    async def _wait(self, path: str) -> None:
        begun = self._begun.pop(path, None)
        if begun is None:
            return
        if self._monotonic() - begun >= LONG_ENOUGH:
            self._pauses.pop(path, None)
            return
        await self._pause(next(self._pauses.setdefault(path, iter(EndlessBackoff(LONGEST_PAUSE)))))


class Events:
    """A watch's lines, of which an error says that a new list is needed.

    So client-go takes every error of a watch; Kopf only those whose code is 410.
    """

    def __init__(self, path: str, content: aiohttp.StreamReader) -> None:
        """Read `content`, the answer about the collection at `path`."""
        self._path, self._content = path, content

    def __getattr__(self, name: str) -> Any:
        """Leave everything else, such as how it ends, to the answer's own content."""
        return getattr(self._content, name)

    async def iter_chunked(self, n: int) -> AsyncIterator[bytes]:
        """Yield the bytes in pieces of about `n`, up to an error.

        A line that begins as an error does is held back until more is known: pieces end anywhere.
        """
        begins, held = True, b""
        async for piece in self._content.iter_chunked(n):
            data, held = held + piece, b""
            before, error = _parted(data, begins=begins)
            if error:
                if GONE not in error:
                    told = error.removeprefix(ERROR)[:TOLD].decode(errors="replace")
                    log.warning("watch of %s: %s", self._path, told)
                yield before + EXPIRED
                return
            last = data.rfind(b"\n") + 1
            if (last or begins) and ERROR.startswith(data[last:]):
                data, held = data[:last], data[last:]
            if data:
                yield data
                begins = data.endswith(b"\n")
        if held:
            yield held


def _parted(data: bytes, *, begins: bool) -> tuple[bytes, bytes]:
    """Return what comes before a line of an error, and that line; `begins`: with a whole line."""
    if begins and data.startswith(ERROR):
        return b"", data
    at = data.find(b"\n" + ERROR)
    return (data[: at + 1], data[at + 1 :]) if at >= 0 else (data, b"")


class Connection:
    """Makes Kopf's session from credentials; the same one from the same credentials.

    Credentials that were refused are known again by being equal, and not tried for ever.
    """

    def __init__(self, pacing: Pacing | None = None) -> None:
        """Have none."""
        self._pacing = pacing or Pacing()
        self._last: tuple[kopf.ConnectionInfo, kopf.AiohttpSession] | None = None

    def session(self, info: kopf.ConnectionInfo) -> kopf.AiohttpSession:
        """Return the session; inside a running loop only."""
        if self._last is None or self._last[0] != info:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
                headers=info.as_http_headers(),
                proxy=info.proxy_url,
                trust_env=info.trust_env,
                middlewares=(self._pacing,),
            )
            found = kopf.AiohttpSession(
                server=info.server,
                priority=info.priority,
                default_namespace=info.default_namespace,
                expiration=info.expiration,
                aiohttp_session=session,
            )
            self._last = info, found
        return self._last[1]
