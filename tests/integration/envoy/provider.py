"""A provider's API over TLS, strict about what reaches it.

It answers only requests as the provider's own documentation has them: path, host, one key in the
right header, and nothing that a client of the router sent about itself.
"""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from e2e.kit.certificates import Authority

HOST = "localhost"
PRIVATE = {
    "x-api-key",
    "api-key",
    "authorization",
    "cookie",
    "x-forwarded-for",
    "x-tokenfleet-user",
}
CHAT = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]}
CHAT_USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
}
MESSAGE_USAGE = {
    "input_tokens": 4,
    "cache_read_input_tokens": 20,
    "cache_creation_input_tokens": 8,
    "output_tokens": 2,
}


@dataclass
class Provider:
    """One provider, at `https://localhost:<port>`."""

    key: str
    path: str = "/v1"
    """What stands before `/chat/completions`."""
    status: int = 200
    """Of every answer to a request that has the right key."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with those that are not 200."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)
    """Headers, in lower case."""
    wrong: list[str] = field(default_factory=list)
    """What was not as documented."""
    port: int = 0

    @asynccontextmanager
    async def serving(self, authority: Authority, folder: Path) -> AsyncIterator[None]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*authority.issue(HOST, folder))
        app = web.Application()
        app.router.add_post(f"{self.path}/chat/completions", self._chat)
        app.router.add_post(f"{self.path}/messages", self._messages)
        app.router.add_route("*", "/{tail:.*}", self._nothing)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        try:
            yield
        finally:
            await runner.cleanup()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        refusal = self._refusal(request, {"authorization": f"Bearer {self.key}"})
        body = await self._note(request)
        if refusal is not None:
            return refusal
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": body["model"]}
        if body.get("stream"):
            return await self._stream(request, body)
        return web.json_response({**answer, **CHAT, "usage": CHAT_USAGE})

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        refusal = self._refusal(request, {"x-api-key": self.key})
        body = await self._note(request)
        if "anthropic-version" not in request.headers:
            self.wrong.append("no anthropic-version")
        if refusal is not None:
            return refusal
        whole = {**MESSAGE, "model": body["model"], "usage": MESSAGE_USAGE}
        if body.get("stream"):
            return await self._message_events(request, whole)
        return web.json_response(whole)

    async def _message_events(
        self, request: web.Request, whole: dict[str, Any]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        start = {**whole, "content": [], "stop_reason": None}
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        text = {"type": "text_delta", "text": "hello"}
        for kind, fields in (
            (
                "message_start",
                {"message": {**start, "usage": {**MESSAGE_USAGE, "output_tokens": 1}}},
            ),
            ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
            ("content_block_delta", {"index": 0, "delta": text}),
            ("content_block_stop", {"index": 0}),
            ("message_delta", {"delta": delta, "usage": {"output_tokens": 2}}),
            ("message_stop", {}),
        ):
            data = json.dumps({"type": kind, **fields})
            await response.write(f"event: {kind}\ndata: {data}\n\n".encode())
        return response

    async def _stream(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if (body.get("stream_options") or {}).get("include_usage") is not True:
            self.wrong.append("usage was not asked for")
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        for event in (
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "hello"}}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": CHAT_USAGE},
        ):
            await response.write(b"data: " + json.dumps(base | event).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _nothing(self, request: web.Request) -> web.Response:
        self.wrong.append(f"{request.method} {request.path}")
        return web.json_response({"error": {"message": "no such path"}}, status=404)

    async def _note(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(await request.read())
        self.requests.append(body)
        self.seen.append({name.lower(): value for name, value in request.headers.items()})
        return body

    def _refusal(self, request: web.Request, wanted: dict[str, str]) -> web.Response | None:
        sent = {name.lower(): value for name, value in request.headers.items()}
        if sent.get("host") != f"{HOST}:{self.port}":
            self.wrong.append(f"host {sent.get('host')}")
        self.wrong += sorted(PRIVATE & sent.keys() - wanted.keys())
        if any(sent.get(name) != value for name, value in wanted.items()):
            message = f"Incorrect API key provided: {sorted(wanted)} {sent.get('authorization')}"
            error = {"message": message, "type": "invalid_request_error", "code": "invalid_api_key"}
            return web.json_response({"error": error}, status=401)
        if self.status != 200:
            error = {"type": "overloaded_error", "message": "full"}
            return web.json_response(
                {"type": "error", "error": error}, status=self.status, headers=self.headers
            )
        return None
