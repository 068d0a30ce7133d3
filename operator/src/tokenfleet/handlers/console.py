"""The console's page: the fleet as a picture, objectives, and a route over time.

It only answers GET, holds no state of anybody, and loads nothing from elsewhere: the policy of its
content (CSP, level 3) forbids everything but its own files. Who may look is decided in front of it
(a port-forward, a proxy that logs people in); a bearer token that comes with a request is judged by
the API server.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from importlib.resources import files
from typing import Any, Final, Protocol

from aiohttp import web

from tokenfleet.api.units import parse_duration
from tokenfleet.ports import PortError, Reader, Readers

log = logging.getLogger(__name__)

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
KINDS: Final = {
    "index.html": "text/html",
    "console.css": "text/css",
    "console.js": "text/javascript",
    "picture.js": "text/javascript",
    "charts.js": "text/javascript",
    "dom.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""Files of the page and their media types; nothing else is served."""

SCHEME: Final = "Bearer "
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Shown(Protocol):
    """What there is to show."""

    async def fleet(self) -> dict[str, Any]:
        """Return the fleet; raises PortError."""
        ...

    async def timeline(self, namespace: str, route: str, last: timedelta) -> dict[str, Any]:
        """Return a route's past; raises ValueError for a bad question, and PortError."""
        ...


class Console:
    """A small server of its own port."""

    def __init__(self, shown: Shown, readers: Readers, *, token: bool) -> None:
        """Show `shown`; `token`: answer nobody who brings none."""
        self._shown, self._readers, self._token = shown, readers, token
        page = files(__package__) / "page"
        self._files = {name: (page / name).read_bytes() for name in KINDS}
        self._runner: web.AppRunner | None = None

    def application(self) -> web.Application:
        """Return what is served."""
        app = web.Application(middlewares=[self._guarded])
        app.add_routes(
            [
                web.get("/", self._file),
                web.get("/api/fleet", self._fleet),
                web.get("/api/timeline", self._timeline),
                web.get("/{name}", self._file),
            ]
        )
        return app

    async def start(self, *, host: str, port: int) -> None:
        """Listen; 0 leaves the server out."""
        if port:
            self._runner = web.AppRunner(self.application(), access_log=None)
            await self._runner.setup()
            await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        """Close it."""
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in whom the API server knows, and put the headers on every answer."""
        try:
            refusal = await self._refusal(request)
            response = refusal if refusal is not None else await handler(request)
        except web.HTTPException as error:
            response = _failed(error.status, error.reason)
        except PortError as error:
            log.warning("the console cannot read: %s", error)
            response = _failed(502, str(error))
        response.headers.update(HEADERS)
        return response

    async def _refusal(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Sec-Fetch-Site", "") == "cross-site":
            # A page elsewhere must not read a console that a browser can reach.
            return _failed(403, "this is not answered to other sites")
        authorization = request.headers.get("Authorization", "")
        if not authorization:
            return _unknown("a bearer token is needed") if self._token else None
        if not authorization.startswith(SCHEME):
            # Basic and others are of the proxy in front, which has judged them.
            return _unknown("a bearer token is needed") if self._token else None
        reader = await self._readers.reader(authorization.removeprefix(SCHEME))
        if reader is Reader.UNKNOWN:
            return _unknown("the API server does not know this token")
        if reader is Reader.REFUSED:
            return _failed(403, "this account may not list ModelRoutes")
        return None

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name", "index.html")
        if name not in self._files:
            raise web.HTTPNotFound
        return web.Response(body=self._files[name], content_type=KINDS[name], charset="utf-8")

    async def _fleet(self, _: web.Request) -> web.Response:
        return _json(await self._shown.fleet())

    async def _timeline(self, request: web.Request) -> web.Response:
        asked = request.query
        try:
            last = parse_duration(asked.get("last", "1h"))
            found = await self._shown.timeline(
                asked.get("namespace", ""), asked.get("route", ""), last
            )
        except ValueError as error:
            return _failed(400, str(error))
        return _json(found)


def _json(document: dict[str, Any]) -> web.Response:
    text = json.dumps(document, separators=(",", ":"))
    return web.Response(text=text, content_type="application/json")


def _failed(status: int, why: str) -> web.Response:
    body = json.dumps({"error": why})
    return web.Response(status=status, text=body, content_type="application/json")


def _unknown(why: str) -> web.Response:
    response = _failed(401, why)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
