"""HTTP for kubelet and Prometheus: /healthz, /readyz and /metrics.

They are answered by the event loop that does the work: a loop that hangs does not answer, and that
is what liveness asks.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at."""

    name: str
    problem: str = ""
    """Why it is not well; empty where it is."""
    decides: bool = True
    """False: only told, because everything else works without it."""


Judgement = Callable[[], Sequence[Check]]
"""Returns everything that is looked at, now."""


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
    async def answer(request: web.Request) -> web.StreamResponse:
        checks = judgement()
        failed = [check for check in checks if check.problem and check.decides]
        text = "\n".join(check.problem for check in failed) or "ok"
        if "verbose" in request.query:
            # The form of the API server's own probes.
            lines = [
                f"[-]{c.name}: {c.problem}" if c.problem else f"[+]{c.name} ok" for c in checks
            ]
            text = "\n".join([*lines, f"check {'failed' if failed else 'passed'}"])
        return web.Response(text=f"{text}\n", status=503 if failed else 200)

    return answer
