"""What an attempt was: judged by what the client would get, not by the status line."""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.integration.envoy.configuration import configuration, limit
from tests.integration.envoy.hostile import established
from tests.integration.envoy.pools import Pools
from tests.integration.envoy.replica import Json
from tests.integration.envoy.router import Router
from tests.integration.envoy.scripted import (
    DONE,
    GOOD,
    GOOD_WHOLE,
    ROLE,
    SSE,
    STOP,
    WHOLE,
    Cut,
    Data,
    End,
    Head,
    Pause,
    Reset,
    Script,
    Scripted,
    Seen,
    event,
    token,
)
from tokenfleet.domain.routing.ir import RouterConfig

pytestmark = pytest.mark.envoy

LIMIT = 1.0
"""Seconds to a first token, or to a whole answer."""


ALL_LARGE = {"large": 1000, "small": 0}
LIMITED = configuration(
    ALL_LARGE, timeout_ms=int(LIMIT * 1000), response_ms=int(LIMIT * 1000), always=False
)
PATIENT = configuration(ALL_LARGE, timeout_ms=30_000, response_ms=30_000)
"""With limits that nothing meets here, however slow the machine is."""
ERROR: Json = {"error": {"message": "no capacity", "type": "server_error", "code": 503}}
RATE: Json = {"error": {"message": "slow down", "type": "rate_limit_error", "code": "429"}}
INVALID: Json = {"error": {"message": "bad", "type": "invalid_request_error", "code": 400}}
OVERLOADED: Json = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
TOO_LONG: Json = {
    "error": {"message": "This model's maximum context length is 8192 tokens.", "code": 400}
}
CREATED = event({"type": "response.created", "response": {}}, "response.created")
MESSAGE = event(
    {"type": "message_start", "message": {"usage": {"input_tokens": 3}}}, "message_start"
)
PING = event({"type": "ping"}, "ping")
LATE = (Pause(30), token("late"), STOP, DONE, End)


@dataclass(frozen=True)
class Row:
    """A script of the first pool, and what becomes of it."""

    id: str
    script: Script
    outcome: str
    stream: bool = True
    """What the client asks for."""

    @property
    def config(self) -> RouterConfig:
        """Limits that hold, or do not."""
        return LIMITED if self.outcome == "timeout" else PATIENT


TAKEN_OVER = (
    Row("an error is the first event", (SSE, event(ERROR), End), "server_error"),
    Row("an error is the first event after the role", (SSE, ROLE, event(ERROR), Pause(5)), "server_error"),
    Row("a named error is the first event", (SSE, event(OVERLOADED, "error"), End), "server_error"),
    Row("a rate limit is the first event", (SSE, event(RATE), End), "throttled"),
    Row("more follows the error", (SSE, event(ERROR), *[Data("data: x\n\n")] * 20, End), "server_error"),
    Row("an error inside a whole answer", (WHOLE, Data(json.dumps(ERROR)), End), "server_error", stream=False),
    Row("a rate limit inside a whole answer", (WHOLE, Data(json.dumps(RATE)), End), "throttled", stream=False),
    Row("a stream is asked for, an error comes whole", (WHOLE, Data(json.dumps(ERROR)), End), "server_error"),
    Row("an empty stream", (SSE, End), "broken_stream"),
    Row("a stream without output", (SSE, ROLE, End), "broken_stream"),
    Row("a stream cut before its first token", (SSE, ROLE, Pause(0.2), Cut), "broken_stream"),
    Row("a stream reset before its first token", (SSE, ROLE, Pause(0.2), Reset), "broken_stream"),
    Row("a whole answer cut", (WHOLE, Data('{"choices":'), Pause(0.2), Cut), "broken_stream", stream=False),
    Row("the role comes at once, the token late", (SSE, ROLE, *LATE), "timeout"),
    Row("comments come at once, the token late", (SSE, Data(": ping\n\n"), *LATE), "timeout"),
    Row("response.created comes at once, the token late", (SSE, CREATED, *LATE), "timeout"),
    Row("message_start comes at once, the token late", (SSE, MESSAGE, PING, *LATE), "timeout"),
    Row("headers come at once, the token late", (SSE, *LATE), "timeout"),
    Row("a stream hangs", (Pause(30), Cut), "timeout"),
    Row("a whole answer hangs", (Pause(30), Cut), "timeout", stream=False),
    Row("a whole answer hangs after its headers", (WHOLE, Data("{"), Pause(30), Cut), "timeout", stream=False),
    Row("503", (Head(503, "application/json"), Data("{}"), End), "server_error"),
    Row("500", (Head(500, "application/json"), Data("{}"), End), "server_error", stream=False),
    Row("429", (Head(429, "application/json"), Data("{}"), End), "throttled"),
    Row("the connection is reset", (Reset,), "broken_stream"),
)  # fmt: skip


@pytest.mark.parametrize("row", TAKEN_OVER, ids=lambda row: row.id)
async def test_what_fails_before_anything_was_sent_is_taken_over(pools: Pools, row: Row) -> None:
    pools.large[0].script = row.script
    pools.small[0].script = GOOD if row.stream else GOOD_WHOLE
    await pools.serve(row.config)

    seen = await pools.ask({"stream": row.stream})

    assert (seen.status, seen.pool, seen.attempts, seen.whole) == (200, "small", 2, True), seen
    assert "good" in seen.body
    assert "x-envoy-ratelimited" not in seen.headers
    assert len(pools.large[0].requests) == 1
    assert await pools.outcomes() == [("large", row.outcome), ("small", "ok")]


PASSED_ON = (
    Row("another 400", (Head(400, "application/json"), Data(json.dumps(INVALID)), End), "client_error"),
    Row("a request's own fault inside a stream", (SSE, event(INVALID), End), "client_error"),
    Row("a request's own fault inside a whole answer", (WHOLE, Data(json.dumps(INVALID)), End), "client_error", stream=False),
    Row("a prompt too long for every pool", (Head(400, "application/json"), Data(json.dumps(TOO_LONG)), End), "client_error"),
)  # fmt: skip


@pytest.mark.parametrize("row", PASSED_ON, ids=lambda row: row.id)
async def test_what_is_the_clients_fault_goes_to_the_client(pools: Pools, row: Row) -> None:
    pools.large[0].script = row.script
    await pools.serve(PATIENT)

    seen = await pools.ask({"stream": row.stream})

    assert (seen.status, seen.pool, seen.attempts, seen.whole) == (400, "large", 1, True), seen
    assert json.loads(seen.body)["error"]["message"]
    assert not pools.small[0].requests
    assert await pools.outcomes() == [("large", row.outcome)]


async def test_the_first_token_is_output_not_the_first_byte(pools: Pools) -> None:
    pools.large[0].script = (SSE, ROLE, Pause(1.6), token("good"), STOP, DONE, End)
    await pools.serve(configuration(ALL_LARGE, timeout_ms=None))

    seen = await pools.ask()

    assert (seen.pool, seen.whole) == ("large", True)
    assert seen.body.index("assistant") < seen.body.index("good")
    name = "tokenfleet_time_to_first_token_seconds_bucket"
    assert await pools.value(name, 'le="1.5"') == 0
    assert await pools.value(name, 'le="+Inf"') == 1


async def test_a_stream_that_moves_is_never_cut(pools: Pools) -> None:
    moves = [step for n in range(5) for step in (token(str(n)), Pause(0.9))]
    pools.large[0].script = (SSE, *moves, STOP, DONE, End)
    await pools.serve(configuration(ALL_LARGE, timeout_ms=4_000, stall_ms=4_000))

    seen = await pools.ask()

    assert (seen.pool, seen.whole) == ("large", True)
    assert await pools.outcomes() == [("large", "ok")]


SISTER = (
    Row("refuses", (), "connect"),
    Row("answers 503", (Head(503, "application/json"), Data("{}"), End), "server_error"),
    Row("has an error first", (SSE, event(ERROR), End), "server_error"),
    Row("is reset", (Reset,), "broken_stream"),
)


@pytest.mark.parametrize("row", SISTER, ids=lambda row: row.id)
async def test_the_sister_replica_is_asked_before_another_model(tmp_path: Path, row: Row) -> None:
    bad, good, small = Scripted(row.script), Scripted(), Scripted()
    pools = Pools(Router(tmp_path), [bad, good], [small])
    async with AsyncExitStack() as stack:
        for server in (good, small):
            await stack.enter_async_context(server.serving())
        if row.script:
            await stack.enter_async_context(bad.serving())
        else:
            bad.port = 1
        try:
            await pools.serve(PATIENT)
            for _ in range(12):
                seen = await pools.ask()
                assert (seen.status, seen.pool, seen.whole) == (200, "large", True), seen
                assert seen.attempts <= 2
            found = await pools.outcomes()
        finally:
            await pools.router.stop()
    assert not small.requests
    assert {pair for pair in found if pair[1] != "ok"} == {("large", row.outcome)}


async def test_after_a_replica_that_hangs_the_sister_comes_last(tmp_path: Path) -> None:
    hang: Script = (SSE, Pause(9))
    pools = Pools(Router(tmp_path), [Scripted(hang), Scripted(hang)], [Scripted()])
    async with AsyncExitStack() as stack:
        for server in (*pools.large, *pools.small):
            await stack.enter_async_context(server.serving())
        try:
            await pools.serve(LIMITED)
            seen = await pools.ask()
            assert (seen.pool, seen.attempts) == ("small", 2)
            assert await pools.outcomes() == [("large", "timeout"), ("small", "ok")]
        finally:
            await pools.router.stop()


@pytest.mark.parametrize(("seconds", "pool"), [(1, "large"), (30, "small")])
async def test_a_pool_that_asks_for_time_is_given_it_or_left(
    tmp_path: Path, seconds: int, pool: str
) -> None:
    """Its sister replica is asked after `Retry-After`, or another pool at once where that is long."""
    busy = Head(429, "application/json", (("retry-after", str(seconds)),))
    full = Scripted((busy, Data(json.dumps(RATE)), End))
    pools = Pools(Router(tmp_path), [full, Scripted()], [Scripted()])
    async with AsyncExitStack() as stack:
        for server in (*pools.large, *pools.small):
            await stack.enter_async_context(server.serving())
        stack.push_async_callback(pools.router.stop)
        await pools.serve(configuration(ALL_LARGE))
        while not full.requests:
            seen = await pools.ask()

    assert (seen.status, seen.pool, seen.attempts) == (200, pool, 2)
    assert seen.seconds >= seconds or pool == "small"


async def test_the_last_pool_is_not_hammered(pools: Pools) -> None:
    busy = Head(503, "application/json", (("retry-after", "7"),))
    for server in (*pools.large, *pools.small):
        server.script = (busy, Data(json.dumps(ERROR)), End)
    await pools.serve(PATIENT)

    seen = await pools.ask()

    assert (seen.status, seen.pool, seen.headers["retry-after"]) == (503, "small", "7")
    assert "x-envoy-ratelimited" not in seen.headers
    assert [len(s.requests) for s in (*pools.large, *pools.small)] == [1, 1]


FORGED = (
    ("x-envoy-ratelimited", "true"),
    ("x-tokenfleet-wait", "9"),
    ("x-tokenfleet-served-by", "other/other/small;attempts=9"),
)


async def test_the_router_s_marks_are_not_a_pool_s_to_set(pools: Pools) -> None:
    """Another Envoy in front of an engine says `x-envoy-ratelimited` by itself."""
    pools.large[0].script = (Head(more=FORGED), *GOOD[1:])
    await pools.serve(PATIENT)

    seen = await pools.ask()

    assert (seen.status, seen.pool, seen.attempts, seen.whole) == (200, "large", 1, True), seen
    assert not {name for name, _ in FORGED[:2]} & set(seen.headers)


async def test_a_busy_pool_behind_another_envoy_is_taken_over(pools: Pools) -> None:
    pools.large[0].script = (Head(429, "application/json", FORGED[:1]), Data(json.dumps(RATE)), End)
    await pools.serve(PATIENT)

    seen = await pools.ask()

    assert (seen.status, seen.pool, seen.attempts) == (200, "small", 2), seen


def windows(config: RouterConfig, large: int | None, small: int | None) -> RouterConfig:
    sizes = {"large": large, "small": small}
    return replace(config, pools=tuple(replace(p, window=sizes[p.name]) for p in config.pools))


@pytest.mark.parametrize(
    ("large", "small", "asked"),
    [(8192, 32768, 1), (8192, 8192, 0), (32768, 8192, 0), (None, 32768, 0)],
)
async def test_a_prompt_that_is_too_long_goes_to_a_larger_window(
    pools: Pools, large: int | None, small: int | None, asked: int
) -> None:
    pools.large[0].script = (Head(400, "application/json"), Data(json.dumps(TOO_LONG)), End)
    await pools.serve(windows(PATIENT, large, small))

    seen = await pools.ask()

    assert (seen.status, len(pools.small[0].requests)) == ((200, 1) if asked else (400, 0))
    assert len(pools.large[0].requests) == 1


async def test_a_request_that_breaks_the_engine_does_not_take_its_pool_from_others(
    pools: Pools,
) -> None:
    pools.large[0].script = (Head(500, "application/json"), Data(json.dumps(ERROR)), End)
    pools.small[0].script = pools.large[0].script
    await pools.serve(PATIENT)
    for _ in range(12):
        assert (await pools.ask()).status == 500
    pools.large[0].script = GOOD

    for _ in range(4):
        seen = await pools.ask()
        assert (seen.status, seen.pool, seen.attempts) == (200, "large", 1)


async def test_usage_is_asked_for_and_hidden_from_clients_that_did_not_ask(pools: Pools) -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": 7}
    pools.large[0].script = (
        SSE,
        token("a"),
        STOP,
        event({"choices": [], "usage": usage}),
        DONE,
        End,
    )
    await pools.serve(PATIENT)

    plain = await pools.ask()
    asked = await pools.ask({"stream_options": {"include_usage": True}})

    assert "usage" not in plain.body
    assert plain.body.endswith("data: [DONE]\n\n")
    assert "usage" in asked.body
    assert [r["stream_options"] for r in pools.large[0].requests] == [{"include_usage": True}] * 2
    await pools.reaches(2, "tokenfleet_requests_total")
    assert await pools.value("tokenfleet_prompt_tokens_total") == 22
    assert await pools.value("tokenfleet_completion_tokens_total") == 14


@pytest.mark.parametrize("when", ["before the first token", "after tokens"])
async def test_a_client_that_leaves_is_nobodys_fault(pools: Pools, when: str) -> None:
    begun = (token("a"), token("b")) if when == "after tokens" else ()
    pools.large[0].script = (SSE, *begun, Pause(30))
    await pools.serve(configuration(ALL_LARGE))

    def leaves(seen: Seen) -> bool:
        return bool(pools.large[0].requests) and seen.body.count("data: ") == len(begun)

    seen = await pools.ask(leaves=leaves)

    assert not seen.whole
    assert await pools.outcomes() == [("large", "cancelled")]
    await pools.reaches(1, "tokenfleet_requests_total", 'outcome="cancelled"')
    assert await pools.value("tokenfleet_completion_tokens_total") == len(begun)
    async with asyncio.timeout(20):  # the script's pause is longer
        while not pools.large[0].left:
            await asyncio.sleep(0.02)
    assert pools.large[0].left == [0]


async def test_an_attempt_that_waits_is_seen_within_one_scrape(pools: Pools) -> None:
    pools.large[0].script = (Pause(60),)
    await pools.serve(configuration(ALL_LARGE))
    leave = asyncio.Event()

    waiting = asyncio.create_task(pools.ask(leaves=lambda _: leave.is_set()))
    await pools.reaches(1, "tokenfleet_late_attempts_total", 'threshold="0.5"')
    not_yet = await pools.value("tokenfleet_late_attempts_total", 'threshold="60.0"')

    assert not waiting.done()
    assert not_yet == 0
    leave.set()
    await waiting


async def test_no_request_meets_the_end_of_an_idle_connection(pools: Pools) -> None:
    """Engines close connections that were idle for 5 s (uvicorn); the router does so before them.

    Before its own limit of 5 s ends an attempt that began later: the order of two timers of one
    Envoy, and what the kernel then says of the connection, hang on nobody's speed.
    """
    (route,) = PATIENT.routes
    fast = replace(route.rules[0], first_token=limit(5_000, always=True))
    await pools.serve(replace(PATIENT, routes=(replace(route, rules=(fast, route.rules[1])),)))
    await pools.ask()
    pools.small[0].script = (Pause(60),)

    yardstick = await pools.ask(headers={"x-tokenfleet-feature": "suggestions"})

    (idle,) = pools.large[0].connections
    assert (yardstick.status, established(idle)) == (504, False)
    again = await pools.ask()
    assert (again.status, again.pool, again.attempts, again.whole) == (200, "large", 1, True)
