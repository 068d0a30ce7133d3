"""The HTTP server: takes requests, waits as told, answers in vLLM's shapes."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from e2e.simulator import answers
from e2e.simulator.behaviour import Behaviour
from e2e.simulator.metrics import Metrics

DEFAULT_TOKENS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line says."""

    models: tuple[str, ...]
    """Names the engine answers to; the first is its own."""
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Further names, of adapters of the model -> path of each."""
    window: int = 8192
    """Longest prompt plus answer, in tokens."""


class Refused(Exception):
    """The request is answered with an error body."""

    def __init__(self, status: int, message: str, kind: str, param: str | None = None) -> None:
        super().__init__(message)
        self.response = web.json_response(
            answers.error(status, message, kind, param), status=status
        )


class Slots:
    """Admits requests in their order, no more at a time than the limit that holds when one asks."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._running = 0
        self._free = asyncio.Condition()

    async def enter(self, limit: int) -> None:
        self._metrics.waiting.inc()
        try:
            async with self._free:
                await self._free.wait_for(lambda: self._running < limit)
                self._running += 1
        finally:
            self._metrics.waiting.dec()
        self._metrics.running.inc()

    async def leave(self) -> None:
        self._metrics.running.dec()
        async with self._free:
            self._running -= 1
            self._free.notify(1)


class Simulator:
    """One engine."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.behaviour = Behaviour()
        self.metrics = Metrics(settings.models[0])
        self._slots = Slots(self.metrics)
        self._numbers = itertools.count(1)
        self._draw = random.Random(0)
        self._started = int(time.time())

    def application(self) -> web.Application:
        app = web.Application(client_max_size=64 * 2**20)
        app.add_routes(
            [
                web.get("/health", self.health),
                web.get("/metrics", self.scrape),
                web.get("/v1/models", self.models),
                web.post("/v1/chat/completions", self.complete),
                web.post("/v1/completions", self.complete),
                web.get("/simulator", self.show),
                web.post("/simulator", self.change),
            ]
        )
        return app

    async def health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def scrape(self, _: web.Request) -> web.Response:
        return web.Response(body=self.metrics.render(), content_type="text/plain")

    async def models(self, _: web.Request) -> web.Response:
        told = self.settings
        body = answers.model_list(
            told.models, told.adapters, created=self._started, window=told.window
        )
        return web.json_response(body)

    async def show(self, _: web.Request) -> web.Response:
        return web.json_response(self.behaviour.to_json())

    async def change(self, request: web.Request) -> web.Response:
        try:
            self.behaviour = Behaviour.from_json(await request.json())
        except (ValueError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return await self.show(request)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        begun = time.monotonic()
        behaviour = self.behaviour
        try:
            answer, tokens, stream = self._understood(request.path, await request.read(), behaviour)
        except Refused as refused:
            return refused.response
        if self._draw.random() < behaviour.error_rate:
            message = "the simulated engine was told to fail"
            return Refused(behaviour.error_status, message, "InternalServerError").response
        await self._slots.enter(behaviour.concurrency)
        try:
            send = self._streamed if stream else self._whole
            response = await send(request, answer, tokens, behaviour, begun)
        finally:
            await self._slots.leave()
        self._count(answer, tokens, time.monotonic() - begun)
        return response

    async def _whole(self, _request, answer, tokens, behaviour, begun) -> web.StreamResponse:
        await asyncio.sleep(behaviour.ttft)
        self.metrics.first_token.observe(time.monotonic() - begun)
        await asyncio.sleep(behaviour.itl * (tokens - 1))
        return web.json_response(answer.whole(tokens))

    async def _streamed(self, request, answer, tokens, behaviour, begun) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        await asyncio.sleep(behaviour.ttft)
        self.metrics.first_token.observe(time.monotonic() - begun)
        for chunk in answer.opening():
            await response.write(answers.event(chunk))
        for number in range(tokens):
            if number:
                await asyncio.sleep(behaviour.itl)
            await response.write(answers.event(answer.token(number, last=number == tokens - 1)))
        if answer.with_usage:
            await response.write(answers.event(answer.closing(tokens)))
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    def _understood(
        self, path: str, raw: bytes, behaviour: Behaviour
    ) -> tuple[answers.Answer, int, bool]:
        """Return the answer to come, its length in tokens, and whether it is streamed."""
        try:
            body: dict[str, Any] = json.loads(raw)
        except ValueError as error:
            raise Refused(400, f"1 validation error: {error}", "Bad Request", "body") from None
        chat = path.endswith("/chat/completions")
        field = "messages" if chat else "prompt"
        if field not in body:
            message = f"1 validation error: {field}: Field required"
            raise Refused(400, message, "Bad Request", f"body.{field}")
        model = body.get("model") or self.settings.models[0]
        if model not in (*self.settings.models, *self.settings.adapters):
            known = ", ".join(self.settings.models)
            message = f"The model `{model}` does not exist. Valid aliases: {known}."
            raise Refused(404, message, "NotFoundError", "model")
        asked = body.get("max_completion_tokens") or body.get("max_tokens") or DEFAULT_TOKENS
        if asked > self.settings.window:
            limit = self.settings.window
            message = f"max_tokens={asked} cannot be greater than max_model_len={limit}."
            raise Refused(400, message, "BadRequestError", "max_tokens")
        # About four characters make a token.
        prompt = max(1, len(json.dumps(body[field])) // 4)
        prefix = "chatcmpl" if chat else "cmpl"
        answer = answers.Answer(
            identity=f"{prefix}-{next(self._numbers):016x}",
            created=int(time.time()),
            model=model,
            chat=chat,
            prompt_tokens=prompt,
            cached_tokens=int(prompt * behaviour.cached_fraction),
            with_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        )
        return answer, behaviour.completion_tokens or asked, bool(body.get("stream"))

    def _count(self, answer: answers.Answer, tokens: int, seconds: float) -> None:
        self.metrics.prompt_tokens.inc(answer.prompt_tokens)
        self.metrics.generated_tokens.inc(tokens)
        self.metrics.cache_queries.inc(answer.prompt_tokens)
        self.metrics.cache_hits.inc(answer.cached_tokens)
        self.metrics.whole.observe(seconds)
        self.metrics.finished.inc()
