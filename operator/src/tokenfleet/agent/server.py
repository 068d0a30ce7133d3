"""The agent's own HTTP: probes, acknowledgement, read-back, metrics, users."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Protocol

from aiohttp import web

from tokenfleet import __version__
from tokenfleet.agent.callers import Callers
from tokenfleet.agent.envoy import Admin, AdminError
from tokenfleet.agent.publisher import Publisher
from tokenfleet.agent.settings import Settings


class Answers(Protocol):
    """What the server needs to know of the agent."""

    settings: Settings
    admin: Admin
    publisher: Publisher
    error: str
    api_reached: bool
    credentials: Mapping[str, str]
    callers: Callers

    @property
    def namespaces_unseen(self) -> int:
        """Return how many namespaces with pools of this router the API server does not show."""
        ...

    @property
    def applied_revision(self) -> int:
        """Return the revision that Envoy has accepted; 0 means none."""
        ...


async def serve(agent: Answers, stack: AsyncExitStack) -> None:
    """Listen until the stack unwinds."""
    handlers = _Handlers(agent)
    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", handlers.healthz),
            web.get("/readyz", handlers.readyz),
            web.get("/startz", handlers.startz),
            web.get("/acknowledgement", handlers.acknowledgement),
            web.get("/configuration", handlers.configuration),
            web.get("/metrics", handlers.metrics),
            web.get("/users", handlers.users),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    settings = agent.settings
    await web.TCPSite(runner, settings.listen_host, settings.listen_port).start()


class _Handlers:
    def __init__(self, agent: Answers) -> None:
        self._agent = agent
        self._started = asyncio.get_running_loop().time()

    async def healthz(self, _: web.Request) -> web.Response:
        """Say whether Envoy may start: its files are there."""
        if not self._agent.publisher.envoy_can_start:
            return web.Response(status=503, text=f"{self._agent.error}\n")
        return web.Response(text="ok\n")

    async def readyz(self, _: web.Request) -> web.Response:
        if not self._agent.applied_revision:
            why = self._agent.error or "no configuration has been published"
            return web.Response(status=503, text=f"{why}\n")
        if not await self._agent.admin.live():
            return web.Response(status=503, text="envoy does not serve\n")
        return web.Response(text="ok\n")

    async def startz(self, request: web.Request) -> web.Response:
        """Say whether those who wait for this router may start: it is ready, or they waited enough.

        An application must not stand still because its router does: it starts, and its requests
        fail until the router is there.
        """
        limit = self._agent.settings.start_limit.total_seconds()
        if asyncio.get_running_loop().time() - self._started >= limit:
            return web.Response(text="not ready in time\n")
        return await self.readyz(request)

    async def acknowledgement(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "pod": self._agent.settings.pod,
                "appliedRevision": self._agent.applied_revision,
                "version": __version__,
                "error": self._agent.error,
                "credentials": dict(self._agent.credentials),
            }
        )

    async def configuration(self, request: web.Request) -> web.Response:
        if not await self._is_operator(request):
            return _refused()
        data = self._agent.publisher.data
        return web.Response(status=204) if data is None else web.json_response(dict(data))

    async def users(self, request: web.Request) -> web.Response:
        if not await self._is_operator(request):
            return _refused()
        try:
            counted = await self._agent.admin.users()
        except AdminError as error:
            return web.Response(status=503, text=f"envoy does not answer: {error}\n")
        return web.Response(body=counted, content_type="application/json")

    async def _is_operator(self, request: web.Request) -> bool:
        return await self._agent.callers.is_operator(request.headers.get("authorization", ""))

    async def metrics(self, _: web.Request) -> web.Response:
        try:
            counted = await self._agent.admin.metrics()
        except AdminError as error:
            # A scrape without Envoy must fail: its counters would look like a reset.
            return web.Response(status=503, text=f"envoy does not answer: {error}\n")
        own = "".join(f"{line}\n" for line in self._own())
        return web.Response(
            body=counted + own.encode(),
            headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    def _own(self) -> Iterator[str]:
        agent = self._agent
        for name, about, value in (
            ("applied_revision", "Revision that Envoy has accepted.", agent.applied_revision),
            ("config_refused", "1 while a newer revision is refused.", int(bool(agent.error))),
            ("api_reached", "1 while the Kubernetes API answers.", int(agent.api_reached)),
            (
                "namespaces_unseen",
                "Namespaces of pools whose endpoints cannot be seen.",
                agent.namespaces_unseen,
            ),
        ):
            yield f"# HELP tokenfleet_router_{name} {about}"
            yield f"# TYPE tokenfleet_router_{name} gauge"
            yield f"tokenfleet_router_{name} {value}"


def _refused() -> web.Response:
    return web.Response(status=401, text="only the operator may read this\n")
