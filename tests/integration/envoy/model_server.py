"""A small OpenAI server whose behaviour a test sets while it runs."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

FIRST = {"choices": [{"index": 0, "delta": {"content": "tok "}, "finish_reason": None}]}
ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 3}}

MEMBERS: dict[str, Any] = {
    "completions": {"choices": [{"index": 0, "message": {}, "text": "", "finish_reason": "stop"}]},
    "responses": {"output": []},
    "messages": {"content": []},
    "embeddings": {"data": [{"embedding": [0.5]}]},
    "rerank": {"results": []},
    "score": {"data": []},
    "tokenize": {"tokens": []},
    "transcriptions": {"text": ""},
    "translations": {"text": ""},
    "count_tokens": {"input_tokens": 11},
}
"""What whole answers have besides usage, by the last part of the path."""


@dataclass
class Behaviour:
    """What the server does with the next requests."""

    status: int = 200
    first_token: float = 0.0
    """Seconds from the request to the first byte of the body."""
    chunks: int = 3
    gap: float = 0.0
    """Seconds between chunks."""
    usage: bool = True
    tokens: int = 7
    """Completion tokens in the usage of a stream."""
    holds_headers: bool = False
    """True sends response headers with the first token, not at once."""
    role: bool = False
    """Sends a chunk without content at once, as chats begin with who speaks."""
    answer: tuple[str, ...] = ()
    """Pieces of the whole answer's body, instead of the usual one; they arrive one by one."""
    breaks_after: int | None = None
    """Chunks after which the connection is cut."""
    first: asyncio.Event | None = None
    """What the first token waits for, besides its seconds."""
    last: asyncio.Event | None = None
    """What the end of a stream waits for."""


@dataclass
class ModelServer:
    """One replica of a pool."""

    name: str
    behaviour: Behaviour = field(default_factory=Behaviour)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    port: int = 0
    host: str = "127.0.0.1"
    _runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await self._read(request)
        self.requests.append(body)
        self.paths.append(request.raw_path)
        self.headers.append({k.lower(): v for k, v in request.headers.items()})
        does = self.behaviour
        if does.status != 200:
            return web.json_response({"error": {"message": self.name}}, status=does.status)
        if not body.get("stream"):
            await _first(does)
            if does.answer:
                return await self._pieces(request, does.answer)
            members = MEMBERS.get(request.path.rpartition("/")[2], {})
            answer = {"model": body["model"], "served_by": self.name, **members}
            return web.json_response(answer | ({"usage": USAGE} if does.usage else {}))
        return await self._stream(request, body, does)

    async def _read(self, request: web.Request) -> dict[str, Any]:
        if request.content_type != "multipart/form-data":
            body: dict[str, Any] = json.loads(await request.read())
            return body
        form = await request.post()
        return {k: v if isinstance(v, str) else len(v.file.read()) for k, v in form.items()}  # type: ignore[union-attr]

    async def _pieces(self, request: web.Request, pieces: tuple[str, ...]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json; charset=utf-8"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece.encode())
            await asyncio.sleep(0.05)
        return response

    async def _stream(
        self, request: web.Request, body: dict[str, Any], does: Behaviour
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        if not does.holds_headers:
            await response.prepare(request)
            if does.role:
                await response.write(b"data: " + json.dumps(ROLE).encode() + b"\n\n")
        await _first(does)
        if does.holds_headers:
            await response.prepare(request)
        for number in range(does.chunks):
            if number == does.breaks_after:
                request.transport.abort()  # type: ignore[union-attr]
                return response
            await response.write(b"data: " + json.dumps(FIRST).encode() + b"\n\n")
            await asyncio.sleep(does.gap)
        if does.last is not None:
            await does.last.wait()
        await response.write(b"data: " + json.dumps(LAST).encode() + b"\n\n")
        if does.usage and (body.get("stream_options") or {}).get("include_usage"):
            usage = USAGE | {"completion_tokens": does.tokens}
            await response.write(
                b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
            )
        await response.write(b"data: [DONE]\n\n")
        return response


async def _first(does: Behaviour) -> None:
    await asyncio.sleep(does.first_token)
    if does.first is not None:
        await does.first.wait()
