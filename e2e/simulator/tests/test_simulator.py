"""What the simulator does beside what the contract with the real engine says."""

import asyncio
import contextlib
import json
import time

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from e2e.simulator.__main__ import parsed
from e2e.simulator.behaviour import Behaviour
from e2e.simulator.server import Settings, Simulator

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 3}


@contextlib.asynccontextmanager
async def running(**settings):
    server = TestServer(Simulator(Settings(models=("m",), **settings)).application())
    await server.start_server()
    async with ClientSession(server.make_url("/")) as session:
        yield session
    await server.close()


async def ask(session, **change):
    begun = time.monotonic()
    async with session.post("/v1/chat/completions", json={**CHAT, **change}) as answer:
        headers_after = time.monotonic() - begun
        return answer.status, headers_after, (await answer.read()).decode()


async def behave(session, **behaviour):
    async with session.post("/simulator", json=behaviour) as answer:
        return answer.status, await answer.json()


async def test_headers_do_not_wait_for_the_first_token():
    """As with the real engine: a proxy that trusts them can no longer fail over."""
    async with running() as session:
        await behave(session, ttft=2)
        status, waited, _ = await ask(session, stream=True)

    assert status == 200
    assert waited < 2


async def test_usage_ends_streams_that_ask_for_it():
    async with running() as session:
        _, _, plain = await ask(session, stream=True)
        _, _, asked = await ask(session, stream=True, stream_options={"include_usage": True})

    assert '"usage"' not in plain
    assert asked.count('"usage"') == 1


async def test_a_share_of_requests_fails_as_told():
    async with running() as session:
        await behave(session, error_rate=0.5, error_status=429, ttft=0, itl=0)
        statuses = [(await ask(session))[0] for _ in range(200)]

    assert set(statuses) == {200, 429}
    assert 70 < statuses.count(429) < 130


async def test_requests_above_the_limit_wait_their_turn():
    async with running() as session:
        await behave(session, concurrency=1, ttft=0.1, itl=0)
        begun = time.monotonic()
        await asyncio.gather(*(ask(session) for _ in range(4)))

    assert time.monotonic() - begun >= 0.4


async def test_a_client_that_goes_away_gives_its_place_back():
    async with running() as session:
        await behave(session, concurrency=1, ttft=30)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(session, stream=True), 0.2)
        await behave(session, concurrency=1, ttft=0)
        status, _, _ = await asyncio.wait_for(ask(session), 60)

    assert status == 200


async def test_cached_tokens_are_told_and_counted():
    async with running() as session:
        await behave(session, cached_fraction=0.5)
        usage = json.loads((await ask(session))[2])["usage"]
        async with session.get("/metrics") as answer:
            metrics = await answer.text()

    cached = usage["prompt_tokens_details"]["cached_tokens"]
    assert cached == usage["prompt_tokens"] // 2
    assert f'vllm:prefix_cache_hits_total{{engine="0",model_name="m"}} {cached}.0' in metrics


async def test_no_behaviour_is_the_usual_one():
    async with running() as session:
        await behave(session, ttft=9)
        _, shown = await behave(session)

    assert shown == Behaviour().to_json()


@pytest.mark.parametrize(
    "wrong", [{"tfft": 1}, {"ttft": -1}, {"error_rate": 2}, {"concurrency": 0}, {"ttft": "soon"}]
)
async def test_a_mistake_is_refused_and_changes_nothing(wrong):
    async with running() as session:
        status, _ = await behave(session, **wrong)
        async with session.get("/simulator") as answer:
            shown = await answer.json()

    assert status == 400
    assert shown == Behaviour().to_json()


def test_a_pool_s_arguments_are_taken_and_the_rest_is_ignored():
    told = ["serve", "/weights/w/m", "--port=8001", "--served-model-name=m", "--max-model-len=64",
            "--speculative-config={}", "--shutdown-timeout=30", "--enable-prompt-tokens-details",
            "--dtype=float32"]  # fmt: skip

    given = parsed(told)

    assert (given.model, given.port, given.served_model_name) == ("/weights/w/m", 8001, ["m"])
    assert (given.max_model_len, given.shutdown_timeout) == (64, 30)
