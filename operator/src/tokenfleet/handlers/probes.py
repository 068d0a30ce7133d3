"""HTTP for kubelet and Prometheus: /healthz, /readyz and /metrics.

They are answered by the event loop that does the work: a loop that hangs does not answer, and that
is what liveness asks.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

Judgement = Callable[[], str]
"""Returns why the answer is no; empty means yes."""


class Probes:
    """Two small servers: probes, and metrics."""

    def __init__(
        self, *, healthy: Judgement, ready: Judgement, metrics: Callable[[], bytes]
    ) -> None:
        """Answer from these functions at the time of the question."""
        self._healthy, self._ready, self._metrics = healthy, ready, metrics
        self._runners: list[web.AppRunner] = []

    async def start(self, *, host: str, probe_port: int, metrics_port: int) -> None:
        """Listen on both ports; 0 leaves a server out."""
        for port, routes in (
            (
                probe_port,
                [
                    web.get("/healthz", _answer(self._healthy)),
                    web.get("/readyz", _answer(self._ready)),
                ],
            ),
            (metrics_port, [web.get("/metrics", self._serve_metrics)]),
        ):
            if port:
                app = web.Application()
                app.add_routes(routes)
                runner = web.AppRunner(app, access_log=None)
                await runner.setup()
                await web.TCPSite(runner, host, port).start()
                self._runners.append(runner)

    async def stop(self) -> None:
        """Close both servers."""
        for runner in self._runners:
            await runner.cleanup()

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        kind = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._metrics(), headers=kind)


def _answer(judgement: Judgement) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        why_not = judgement()
        return web.Response(text=f"{why_not or 'ok'}\n", status=503 if why_not else 200)

    return answer
