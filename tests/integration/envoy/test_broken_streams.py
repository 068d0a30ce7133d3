"""A stream that breaks after its first token: its client is told, then cut off."""

import json
from dataclasses import dataclass

import pytest

from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.pools import Pools
from tests.integration.envoy.replica import Json
from tests.integration.envoy.scripted import (
    DONE,
    ROLE,
    SSE,
    STOP,
    WHOLE,
    Cut,
    Data,
    End,
    Pause,
    Reset,
    Script,
    event,
    token,
)
from tokenfleet.domain.routing.ir import RouterConfig

pytestmark = pytest.mark.envoy

STALL = configuration({"large": 1000, "small": 0}, timeout_ms=30_000, stall_ms=1_000)
PATIENT = configuration({"large": 1000, "small": 0}, timeout_ms=30_000, stall_ms=30_000)
"""With limits that nothing meets here, however slow the machine is."""
ERROR: Json = {"error": {"message": "no capacity", "type": "server_error", "code": 503}}
CREATED = event({"type": "response.created", "response": {}}, "response.created")
MESSAGE = event(
    {"type": "message_start", "message": {"usage": {"input_tokens": 3}}}, "message_start"
)
DELTA = event(
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
    "content_block_delta",
)
PING = event({"type": "ping"}, "ping")
STOPPED = event({"type": "message_stop"}, "message_stop")
SAID = event({"type": "response.output_text.delta", "delta": "a"}, "response.output_text.delta")
TEXT = event({"choices": [{"index": 0, "text": "a", "finish_reason": None}]})
ABORTED = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "abort"}]})


@dataclass(frozen=True)
class Row:
    """A script of the first pool, and what becomes of it."""

    id: str
    script: Script
    outcome: str
    path: str = "/v1/chat/completions"

    @property
    def config(self) -> RouterConfig:
        """Limits that hold, or do not."""
        return STALL if self.outcome == "timeout" else PATIENT


BROKEN = (
    Row("cut", (SSE, token("a"), token("b"), Pause(0.2), Cut), "broken_stream"),
    Row("reset", (SSE, token("a"), token("b"), Pause(0.2), Reset), "broken_stream"),
    Row("cut inside an event", (SSE, token("a"), token("b"), Data('data: {"choi'), Pause(0.2), Cut), "broken_stream"),
    Row("well-formed, without a finish reason", (SSE, token("a"), token("b"), Pause(0.2), End), "broken_stream"),
    Row("well-formed, without a finish reason, all at once", (SSE, token("a"), token("b"), End), "broken_stream"),
    Row("done, without a finish reason", (SSE, token("a"), token("b"), Pause(0.2), DONE, End), "broken_stream"),
    Row("aborted", (SSE, token("a"), token("b"), Pause(0.2), ABORTED, DONE, End), "broken_stream"),
    Row("aborted, and ends later", (SSE, token("a"), token("b"), ABORTED, DONE, Pause(0.2), End), "broken_stream"),
    Row("silent", (SSE, token("a"), token("b"), Pause(20)), "timeout"),
    Row("alive, and says nothing", (SSE, token("a"), token("b"), *(Data(": x\n\n"), Pause(0.2), ROLE, Pause(0.2)) * 20, STOP, DONE, End), "timeout"),
    Row("a message of pings", (SSE, MESSAGE, DELTA, DELTA, *(PING, Pause(0.3)) * 20, STOPPED, End), "timeout", path="/v1/messages"),
    Row("text without a finish reason", (SSE, TEXT, TEXT, Pause(0.2), DONE, End), "broken_stream", path="/v1/completions"),
    Row("a message without its stop", (SSE, MESSAGE, DELTA, DELTA, Pause(0.2), End), "broken_stream", path="/v1/messages"),
    Row("a message cut", (SSE, MESSAGE, DELTA, DELTA, Pause(0.2), Cut), "broken_stream", path="/v1/messages"),
    Row("a response that is not completed", (SSE, CREATED, SAID, SAID, Pause(0.2), End), "broken_stream", path="/v1/responses"),
    Row("a response cut", (SSE, CREATED, SAID, SAID, Pause(0.2), Cut), "broken_stream", path="/v1/responses"),
)  # fmt: skip


def told(path: str, text: str) -> bool:
    """Tell whether an answer's last event is an error in the shape of the API."""
    name, _, data = text.removesuffix("\n\n").rpartition("\n\n")[2].rpartition("data: ")
    error = json.loads(data)
    match path:
        case "/v1/messages":
            kinds = (error["type"], error["error"]["type"])
            return name == "event: error\n" and kinds in {
                ("error", "api_error"),
                ("error", "timeout_error"),
            }
        case "/v1/responses":
            return name == "event: error\n" and error["type"] == "error" and bool(error["code"])
        case _:
            return name == "" and error["error"]["type"] == "server_error"


@pytest.mark.parametrize("row", BROKEN, ids=lambda row: row.id)
async def test_a_stream_that_breaks_ends_with_a_cut(pools: Pools, row: Row) -> None:
    """Never a well-formed answer that is not whole; what was delivered is counted."""
    pools.large[0].script = row.script
    await pools.serve(row.config)

    seen = await pools.ask(path=row.path)

    assert (seen.status, seen.pool, seen.whole) == (200, "large", False), seen
    assert told(row.path, seen.body), seen
    assert "[DONE]" not in seen.body
    assert not pools.small[0].requests
    assert await pools.outcomes() == [("large", row.outcome)]
    assert await pools.value("tokenfleet_completion_tokens_total", 'pool="large"') == 2


async def test_a_cut_comes_right_after_its_event(pools: Pools) -> None:
    """A connection that Envoy closes otherwise stays for a second, every one of them."""
    pools.large[0].script = (SSE, token("a"), End)
    await pools.serve(PATIENT)

    cuts = [await pools.ask() for _ in range(10)]

    assert {(seen.pool, seen.whole) for seen in cuts} == {("large", False)}
    # A busy machine can hold some of them up, not all.
    assert min(seen.seconds for seen in cuts) < 1


async def test_an_error_after_tokens_is_seen_as_it_was_sent(pools: Pools) -> None:
    pools.large[0].script = (SSE, token("a"), event(ERROR), DONE, End)
    await pools.serve(PATIENT)

    seen = await pools.ask()

    assert seen.whole
    assert seen.body.count("no capacity") == 1
    assert await pools.outcomes() == [("large", "broken_stream")]


async def test_a_whole_answer_that_was_too_large_to_hold_is_cut_where_it_broke(
    pools: Pools,
) -> None:
    """More of it than 64 KiB has been passed on, so nobody else can answer in its place."""
    pools.large[0].script = (WHOLE, Data('{"choices":[{"text":"' + "x" * 200_000), Pause(0.2), Cut)
    await pools.serve(PATIENT)

    seen = await pools.ask({"stream": False})

    assert (seen.status, seen.pool, seen.whole) == (200, "large", False)
    assert not pools.small[0].requests
    assert await pools.outcomes() == [("large", "broken_stream")]
