"""The connection that Kopf watches by.

Kopf asks again at once when a watch ends: a server whose watches do not last would be asked
hundreds of times a second. And it fails, with the process, when a collection is answered 404: a
definition of somebody else that is deleted would end the operator. Both are mended where requests
pass.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Final

import aiohttp
import kopf

from tokenfleet.handlers.settings import EndlessBackoff

LONG_ENOUGH: Final = 1.0
"""Seconds that a watch lasts when nothing is wrong."""
LONGEST_PAUSE: Final = 15.0
"""Seconds before jitter; a paused list must still end within its `request_timeout`."""

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
        return answer

    async def _wait(self, path: str) -> None:
        begun = self._begun.pop(path, None)
        if begun is None:
            return
        if self._monotonic() - begun >= LONG_ENOUGH:
            self._pauses.pop(path, None)
            return
        await self._pause(next(self._pauses.setdefault(path, iter(EndlessBackoff(LONGEST_PAUSE)))))


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
