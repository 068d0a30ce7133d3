"""What a request leaves behind for people: a line in the log, and spans."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.envoy.collector import Collector, Span
from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.conftest import CHAT, Fleet
from tests.integration.envoy.model_server import Behaviour
from tokenfleet.adapters.envoy.access_log import FIELDS, MEASURED
from tokenfleet.domain.routing.ir import RouterConfig, Tracing

pytestmark = pytest.mark.envoy

CONFIG = configuration({"large": 1000, "small": 0})
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


async def lines(fleet: Fleet, count: int) -> list[dict[str, Any]]:
    """Return the log once it has that many lines; Envoy writes it within a second or so."""
    async with asyncio.timeout(90):
        while True:
            found = [line for line in fleet.router.log().splitlines() if line.startswith("{")]
            if len(found) >= count:
                return [json.loads(line) for line in found]
            await asyncio.sleep(0.1)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    found = Collector()
    await found.start()
    yield found
    await found.stop()


def traced(collector: Collector, sampling: int = 10_000) -> RouterConfig:
    endpoint = f"http://127.0.0.1:{collector.port}/v1/traces"
    return replace(CONFIG, tracing=Tracing(endpoint=endpoint, sampling=sampling))


async def spans(collector: Collector, enough: Callable[[list[Span]], bool]) -> list[Span]:
    async with asyncio.timeout(90):
        while not enough(collector.spans):
            await asyncio.sleep(0.1)
    return collector.spans


async def test_every_request_is_a_line_with_the_documented_members(fleet: Fleet) -> None:
    await fleet.serve(replace(CONFIG, access_log="All"))
    await fleet.ask(stream=True, headers={"x-tokenfleet-feature": "generation"})
    fleet.large.behaviour = Behaviour(status=500)
    await fleet.ask(headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})

    first, second = await lines(fleet, 2)

    assert set(first) == {*FIELDS, *MEASURED}
    assert {key: first[key] for key in ("method", "path", "status", "route", "rule", "pool")} == {
        "method": "POST", "path": CHAT, "status": 200, "route": "chat", "rule": "slow", "pool": "large",
    }  # fmt: skip
    assert (first["model"], first["feature"], first["request_type"]) == (
        "chat",
        "generation",
        "other",
    )
    assert (first["outcome"], first["attempts"]) == ("ok", 1)
    assert (first["prompt_tokens"], first["cached_prompt_tokens"]) == (11, 3)
    assert first["completion_tokens"] == 7
    assert 0 <= first["ttft_ms"] <= first["duration_ms"] + 1
    assert (second["pool"], second["attempts"], second["outcome"]) == ("small", 2, "ok")
    assert second["ttft_ms"] is None
    assert TRACE in second["traceparent"]


async def test_errors_alone_can_be_logged(fleet: Fleet) -> None:
    """A status of 400 or more, or an answer that broke off after its 200."""
    await fleet.serve(replace(CONFIG, access_log="Errors"))
    await fleet.ask()
    await fleet.ask(model="nope")
    fleet.large.behaviour = Behaviour(breaks_after=1, gap=0.05)
    await broken(fleet)
    await fleet.ask(model="nope-again")

    found = await lines(fleet, 3)

    assert [line["status"] for line in found] == [404, 200, 404]
    assert [line["outcome"] for line in found][1] == "broken_stream"


async def test_nothing_is_logged_by_default(serving: Fleet) -> None:
    await serving.ask()
    await serving.ask(model="nope")
    await asyncio.sleep(2)

    assert [line for line in serving.router.log().splitlines() if line.startswith("{")] == []


async def test_a_request_is_a_span_and_each_attempt_is_one(
    fleet: Fleet, collector: Collector
) -> None:
    await fleet.serve(traced(collector))
    fleet.large.behaviour = Behaviour(status=500)

    await fleet.ask(stream=True, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})

    found = await spans(collector, lambda s: len(s) >= 3)
    (request,) = [span for span in found if span.parent == PARENT]
    attempts = [span for span in found if span.parent == request.span]
    assert {span.trace for span in found} == {TRACE}
    assert len(attempts) == 2
    wanted = {
        "gen_ai.request.model": "chat",
        "gen_ai.usage.input_tokens": "11",
        "gen_ai.usage.output_tokens": "7",
        "tokenfleet.route": "chat",
        "tokenfleet.rule": "slow",
        "tokenfleet.pool": "small",
        "tokenfleet.outcome": "ok",
        "tokenfleet.attempts": "2",
    }
    assert {key: str(request.attributes.get(key)) for key in wanted} == wanted
    # Engines trace on from the attempt that reached them.
    (told,) = [headers["traceparent"] for headers in fleet.small.headers]
    assert told.split("-")[1:3] in [[span.trace, span.span] for span in attempts]


async def test_a_part_of_the_requests_is_traced_and_callers_that_decided_are_followed(
    fleet: Fleet, collector: Collector
) -> None:
    await fleet.serve(traced(collector, sampling=1))

    for _ in range(20):
        await fleet.ask()
    await fleet.ask(headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})

    found = await spans(collector, lambda s: any(span.trace == TRACE for span in s))
    assert len({span.trace for span in found}) <= 2


async def test_trace_context_passes_without_a_collector(serving: Fleet) -> None:
    told = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}

    await serving.ask(headers=told)

    assert {key: serving.large.headers[-1][key] for key in told} == told


async def broken(fleet: Fleet) -> None:
    """Ask for a stream that breaks off."""
    async with fleet.client.stream("POST", CHAT, json={"model": "chat", "stream": True}) as answer:
        with pytest.raises(Exception, match=r"peer closed|incomplete"):
            await answer.aread()
