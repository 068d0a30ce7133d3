"""The HTTP server: takes requests, waits as told, answers in vLLM's shapes."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from e2e.simulator import answers
from e2e.simulator.behaviour import Behaviour
from e2e.simulator.metrics import Metrics
from e2e.simulator.places import Places
from e2e.simulator.prefixes import Prefixes, blocks_of, tokens_of
from e2e.simulator.speculation import Speculation, drafted

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
    sequences: int = 256
    """Requests worked on at a time, where its behaviour does not say otherwise."""
    blocks: int | None = None
    """Blocks of KV cache; None: as many as so many requests of full length need."""
    speculation: Speculation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, understood."""

    answer: answers.Answer
    """The one to come, as if nothing of the prompt were cached."""
    prompt: str
    adapter: str
    """Empty: the model itself."""
    tokens: int
    """Length of the answer."""
    stream: bool

    @property
    def blocks(self) -> int:
        """Blocks of KV cache that it needs."""
        return blocks_of(self.answer.prompt_tokens + self.tokens)


class Refused(Exception):
    """The request is answered with an error body."""

    def __init__(self, status: int, message: str, kind: str, param: str | None = None) -> None:
        super().__init__(message)
        self.response = web.json_response(
            answers.error(status, message, kind, param), status=status
        )


class Simulator:
    """One engine."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.behaviour = Behaviour()
        speculation = settings.speculation
        self.metrics = Metrics(
            settings.models[0], speculative=speculation.tokens if speculation else 0
        )
        blocks = settings.blocks or settings.sequences * blocks_of(settings.window)
        self._places = Places(self.metrics, limit=settings.sequences, blocks=blocks)
        self._prefixes = Prefixes(blocks)
        self._numbers = itertools.count(1)
        self._draw, self._draw_drafts = random.Random(0), random.Random(0)
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
        self._places.limit_to(self.behaviour.concurrency or self.settings.sequences)
        return await self.show(request)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        begun = time.monotonic()
        behaviour = self.behaviour
        try:
            asked = self._understood(request.path, await request.read(), behaviour)
        except Refused as refused:
            return refused.response
        if self._draw.random() < behaviour.error_rate:
            message = "the simulated engine was told to fail"
            return Refused(behaviour.error_status, message, "InternalServerError").response
        tokens = asked.tokens
        await self._places.enter(asked.blocks)
        try:
            answer = self._with_cached(asked, behaviour)
            speculation, running = self.settings.speculation, self._places.running
            send = self._streamed if asked.stream else self._whole
            response = await send(request, answer, tokens, behaviour, begun)
        finally:
            self._places.leave(asked.blocks)
        self._count(answer, tokens, time.monotonic() - begun)
        if speculation is not None:
            self._count_drafts(tokens, speculation.drafted(running), behaviour.acceptance)
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

    def _with_cached(self, asked: Asked, behaviour: Behaviour) -> answers.Answer:
        """Return the answer with what the prefix cache holds, or is said to hold, of its prompt."""
        found, told = self._prefixes.look_up(asked.prompt, asked.adapter), behaviour.cached_fraction
        tokens = found if told is None else int(asked.answer.prompt_tokens * told)
        return replace(asked.answer, cached_tokens=tokens)

    def _understood(self, path: str, raw: bytes, behaviour: Behaviour) -> Asked:
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
        prompt = json.dumps(body[field])
        prefix = "chatcmpl" if chat else "cmpl"
        answer = answers.Answer(
            identity=f"{prefix}-{next(self._numbers):016x}",
            created=int(time.time()),
            model=model,
            chat=chat,
            prompt_tokens=tokens_of(prompt),
            cached_tokens=0,
            with_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        )
        return Asked(
            answer=answer,
            prompt=prompt,
            adapter=model if model in self.settings.adapters else "",
            tokens=behaviour.completion_tokens or asked,
            stream=bool(body.get("stream")),
        )

    def _count(self, answer: answers.Answer, tokens: int, seconds: float) -> None:
        self.metrics.prompt_tokens.inc(answer.prompt_tokens)
        self.metrics.generated_tokens.inc(tokens)
        self.metrics.cache_queries.inc(answer.prompt_tokens)
        self.metrics.cache_hits.inc(answer.cached_tokens)
        self.metrics.whole.observe(seconds)
        self.metrics.finished.inc()

    def _count_drafts(self, tokens: int, at_a_time: int, acceptance: float) -> None:
        if not at_a_time:
            return
        found = drafted(tokens, at_a_time, acceptance, self._draw_drafts)
        self.metrics.drafts.inc(found.drafts)
        self.metrics.drafted.inc(found.tokens)
        self.metrics.accepted.inc(sum(found.accepted))
        for counter, accepted in zip(self.metrics.accepted_at, found.accepted, strict=False):
            counter.inc(accepted)
