"""A server whose models misbehave, each in its way (see cases.py)."""

import asyncio
import json

from aiohttp import web

FAULTS = {"throttled", "broken", "flaky", "cut", "silent"}
TOKEN = {"choices": [{"index": 0, "delta": {"content": "tok "}, "finish_reason": None}]}
RECOVERED = {
    "id": "1",
    "object": "chat.completion",
    "created": 0,
    "model": "flaky",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "recovered"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
RECOVERED_MESSAGE = {
    "id": "1",
    "type": "message",
    "role": "assistant",
    "model": "flaky",
    "content": [{"type": "text", "text": "recovered"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


class Faulty:
    """One server for all faults; the body's model says which."""

    def __init__(self) -> None:
        self.port = 0
        self._asked = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/v1/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        model = (await request.json())["model"]
        if model == "throttled":
            return _error(429, "too many requests", **{"retry-after": "7"})
        if model == "flaky":
            self._asked += 1
            if self._asked % 2:
                return _error(429, "too many requests", **{"retry-after": "0"})
            message = request.path.endswith("/messages")
            return web.json_response(RECOVERED_MESSAGE if message else RECOVERED)
        if model == "cut":
            return await _cut(request)
        if model == "silent":
            await asyncio.sleep(3600)
        return _error(500, "the engine has failed")


def _error(status: int, message: str, **headers: str) -> web.Response:
    body = {"error": {"message": message, "type": "server_error", "param": None, "code": status}}
    return web.json_response(body, status=status, headers=headers)


async def _cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for _ in range(2):
        await response.write(b"data: " + json.dumps(TOKEN).encode() + b"\n\n")
        await asyncio.sleep(0.05)
    assert request.transport is not None
    request.transport.abort()
    return response
