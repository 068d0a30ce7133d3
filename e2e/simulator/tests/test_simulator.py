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
from e2e.simulator.metrics import Metrics
from e2e.simulator.places import Places
from e2e.simulator.prefixes import Prefixes
from e2e.simulator.server import Settings, Simulator
from e2e.simulator.speculation import Speculation

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 3}


@contextlib.asynccontextmanager
async def running(**settings):
    server = TestServer(Simulator(Settings(models=("m",), **settings)).application())
    await server.start_server()
    async with ClientSession(server.make_url("/")) as session:
        yield session
    await server.close()


async def metric(session, name):
    async with session.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next((float(one.split()[-1]) for one in lines if one.startswith(f"vllm:{name}{{")), None)


@contextlib.asynccontextmanager
async def asking(session, number, **change):
    """So many streams at once, under way."""
    tasks = [asyncio.create_task(ask(session, stream=True, **change)) for _ in range(number)]
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(session, **expected):
    """Wait until metrics have these values."""
    found = None
    async with asyncio.timeout(60):
        while found != expected:
            found = {name: await metric(session, name) for name in expected}
            await asyncio.sleep(0.02)


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
    assert waited < 1


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


async def test_no_more_requests_run_than_the_command_line_says_and_the_others_are_counted():
    async with running(sequences=32) as session:
        await behave(session, ttft=120)
        async with asking(session, 64):
            await until(session, num_requests_running=32, num_requests_waiting=32)
            await behave(session, ttft=120, concurrency=48)
            await until(session, num_requests_running=48, num_requests_waiting=16)
            await behave(session)
            await until(session, num_requests_running=48, num_requests_waiting=16)


async def test_running_requests_hold_their_part_of_the_kv_cache():
    async with running(blocks=8) as session:
        await behave(session, ttft=120)
        async with asking(session, 1):
            await until(session, kv_cache_usage_perc=0.125)
            async with asking(session, 1, max_tokens=200):
                await until(session, kv_cache_usage_perc=0.375)
        await until(session, kv_cache_usage_perc=0, num_requests_running=0)


async def test_what_does_not_fit_into_the_kv_cache_waits():
    async with running(blocks=4) as session:
        await behave(session, ttft=120)
        async with asking(session, 3, max_tokens=200):
            await until(session, num_requests_running=2, num_requests_waiting=1)


async def entered(places, *blocks):
    """Return tasks of requests that asked for places in this order."""
    tasks = [asyncio.create_task(places.enter(number)) for number in blocks]
    await asyncio.sleep(0)
    return tasks


async def test_nobody_overtakes_one_who_waits_for_blocks():
    places = Places(Metrics("m"), limit=9, blocks=4)
    first, large, small = await entered(places, 3, 2, 1)
    assert [task.done() for task in (first, large, small)] == [True, False, False]

    large.cancel()
    await asyncio.wait([large, small], timeout=60)

    assert small.done()
    assert places.running == 2


async def test_a_place_that_is_given_to_one_who_has_just_gone_is_given_on():
    places = Places(Metrics("m"), limit=1, blocks=4)
    _, gone, following = await entered(places, 1, 1, 1)

    places.leave(1)
    gone.cancel()
    await asyncio.wait([gone, following], timeout=60)

    assert gone.cancelled()
    assert following.done()
    assert places.running == 1


async def test_a_client_that_goes_away_gives_its_place_back():
    async with running() as session:
        await behave(session, concurrency=1, ttft=30)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(session, stream=True), 0.2)
        await behave(session, concurrency=1, ttft=0)
        status, _, _ = await asyncio.wait_for(ask(session), 5)

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


async def test_a_prompt_that_was_seen_before_is_cached_up_to_its_last_block():
    async with running(adapters={"tuned": "/tuned"}) as session:

        async def cached(**change):
            usage = json.loads((await ask(session, **change))[2])["usage"]
            return usage["prompt_tokens_details"]["cached_tokens"]

        said = [{"role": "user", "content": "the same long words " * 80}]
        more = [*said, {"role": "user", "content": "and others"}]
        assert await cached(messages=said) == 0
        assert await cached(messages=said) == 384
        assert await cached(messages=more) == 384
        assert await cached(messages=said, model="tuned") == 0
        assert await cached(messages=said, model="tuned") == 384
        assert await cached() == await cached() == 0
        assert await metric(session, "prefix_cache_hits_total") == 3 * 384


def test_the_last_token_of_a_prompt_is_never_cached():
    prefixes = Prefixes(blocks=8)
    text = "a" * 1024

    assert [prefixes.look_up(text), prefixes.look_up(text)] == [0, 128]


def test_a_full_cache_forgets_what_was_not_used_for_longest():
    prefixes = Prefixes(blocks=2)
    for letter in "abac":
        prefixes.look_up(letter * 600)

    assert [prefixes.look_up(letter * 600) for letter in "ab"] == [128, 0]


@pytest.mark.parametrize(("acceptance", "drafts", "accepted"), [(1.0, 3, 9), (0.0, 9, 0)])
async def test_speculation_is_counted_as_vllm_counts_it(acceptance, drafts, accepted):
    """Ten tokens: one from the prompt, then steps of three drafted and one of the target's own."""
    async with running(speculation=Speculation(3)) as session:
        await behave(session, acceptance=acceptance, itl=0)
        await ask(session, max_tokens=10)

        assert await metric(session, "spec_decode_num_drafts_total") == drafts
        assert await metric(session, "spec_decode_num_draft_tokens_total") == 3 * drafts
        assert await metric(session, "spec_decode_num_accepted_tokens_total") == accepted
        first = await metric(session, "spec_decode_num_accepted_tokens_per_pos_total")
        assert first == accepted / 3


async def test_an_engine_that_does_not_speculate_has_no_such_counters():
    async with running() as session:
        await ask(session)

        assert await metric(session, "spec_decode_num_drafts_total") is None


async def test_nothing_is_drafted_above_the_load_at_which_it_ends():
    off = Speculation.read(
        {
            "num_speculative_tokens": 3,
            "num_speculative_tokens_per_batch_size": [[1, 1, 3], [2, 9, 0]],
        }
    )
    assert [off.drafted(running) for running in (1, 2)] == [3, 0]
    async with running(speculation=off) as session:
        await behave(session, ttft=0.2)
        async with asking(session, 2) as tasks:
            await asyncio.wait(tasks, timeout=60)
            drafts = await metric(session, "spec_decode_num_drafts_total")

    assert drafts > 0


async def test_no_behaviour_is_the_usual_one():
    async with running() as session:
        await behave(session, ttft=9)
        _, shown = await behave(session)

    assert shown == Behaviour().to_json()


@pytest.mark.parametrize(
    "wrong",
    [
        {"tfft": 1},
        {"ttft": -1},
        {"error_rate": 2},
        {"concurrency": 0},
        {"acceptance": 2},
        {"ttft": "soon"},
    ],
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
            '--speculative-config={"method": "mtp", "num_speculative_tokens": 2}',
            "--max-num-seqs=16", "--num-gpu-blocks-override=64", "--shutdown-timeout=30", "--enable-prompt-tokens-details",
            "--dtype=float32"]  # fmt: skip

    given = parsed(told)

    assert (given.model, given.port, given.served_model_name) == ("/weights/w/m", 8001, ["m"])
    assert (given.max_model_len, given.shutdown_timeout) == (64, 30)
    assert (given.max_num_seqs, given.num_gpu_blocks_override) == (16, 64)
    assert Speculation.read(given.speculative_config) == Speculation(2)
