"""A panic inside the module costs one request, whichever hook it happens in.

The module is built with its feature `panics`: the header `x-panic` names the hook that panics.
"""

import asyncio
import json
from pathlib import Path

import pytest

from e2e.cluster.module import router_module
from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.pools import Pools
from tests.integration.envoy.scripted import (
    DONE,
    GOOD,
    SSE,
    STOP,
    Cut,
    End,
    Pause,
    Script,
    Seen,
    token,
)
from tokenfleet.adapters.envoy.module import SEARCH_PATH

pytestmark = pytest.mark.envoy

PATIENT = configuration({"large": 1000, "small": 0})
STALL = configuration({"large": 1000, "small": 0}, stall_ms=3_000)
MOVES = (SSE, token("a"), Pause(0.2), token("b"), STOP, DONE, End)
OTHERS = {"x-tokenfleet-feature": "suggestions"}


@pytest.fixture(autouse=True)
def panics(monkeypatch: pytest.MonkeyPatch) -> None:
    module = router_module(Path(__file__).parents[3], "panics")
    monkeypatch.setenv(SEARCH_PATH, str(module))


async def panic(
    pools: Pools, hook: str, script: Script = GOOD, path: str = "/v1/chat/completions"
) -> Seen:
    """Panic while another stream runs; it and the next requests are served."""
    pools.large[0].script = script
    pools.small[0].script = (SSE, token("a"), Pause(0.5), *GOOD[2:])
    await pools.serve(STALL if hook == "request scheduled" else PATIENT)
    other = asyncio.create_task(pools.ask(headers=OTHERS))
    async with asyncio.timeout(60):
        while not pools.small[0].requests:
            await asyncio.sleep(0.01)

    seen = await pools.ask(headers={"x-panic": hook}, path=path)

    assert "panicked" in pools.router.log()
    pools.large[0].script = GOOD
    for served in (await other, await pools.ask(), await pools.ask(headers=OTHERS)):
        assert (served.status, served.whole) == (200, True), served
    assert pools.router.process is not None
    assert pools.router.process.returncode is None
    return seen


async def counted(pools: Pools) -> list[str]:
    """Return the outcomes of attempts, without those of the three others."""
    outcomes = await pools.outcomes()
    for good in (("large", "ok"), ("small", "ok"), ("small", "ok")):
        outcomes.remove(good)
    return [outcome for _, outcome in outcomes]


@pytest.mark.parametrize(
    ("hook", "outcomes"),
    [
        ("request request_headers", []),
        ("request request_body", []),
        ("attempt request_headers", ["cancelled"]),
        ("attempt request_body", ["cancelled"]),
        ("attempt response_headers", ["cancelled"]),
        ("attempt response_body", ["cancelled"]),
        ("request response_headers", ["cancelled"]),
    ],
)
async def test_a_panic_before_the_answer_is_a_500(
    pools: Pools, hook: str, outcomes: list[str]
) -> None:
    seen = await panic(pools, hook, MOVES)

    assert (seen.status, seen.whole) == (500, True), seen
    assert json.loads(seen.body)["error"]["code"] == "internal_error"
    assert await counted(pools) == outcomes


async def test_a_panic_in_the_choice_of_a_pool_sends_the_request_nowhere(pools: Pools) -> None:
    seen = await panic(pools, "select")

    assert (seen.status, seen.whole) == (500, True), seen
    assert json.loads(seen.body)["error"]["code"] == "internal_error"
    assert await counted(pools) == []


@pytest.mark.parametrize(
    "hook", ["request request_body", "select", "attempt request_headers", "attempt response_body"]
)
async def test_a_panic_is_told_in_the_shape_of_the_api(pools: Pools, hook: str) -> None:
    seen = await panic(pools, hook, path="/v1/messages")

    assert (seen.status, seen.whole) == (500, True), seen
    error = json.loads(seen.body)
    assert (error["type"], error["error"]["type"]) == ("error", "api_error")


@pytest.mark.parametrize(
    ("hook", "script", "outcome"),
    [
        ("request response_body", MOVES, "cancelled"),
        ("request scheduled", (SSE, token("a"), Pause(20)), "cancelled"),
        ("request local_reply", (SSE, token("a"), Pause(0.2), Cut), "broken_stream"),
    ],
)
async def test_a_panic_after_the_answer_has_begun_is_a_cut(
    pools: Pools, hook: str, script: Script, outcome: str
) -> None:
    seen = await panic(pools, hook, script)

    assert (seen.status, seen.whole) == (200, False), seen
    assert await counted(pools) == [outcome]


@pytest.mark.parametrize("hook", ["request completed", "log"])
async def test_a_panic_after_the_answer_costs_nobody_anything(pools: Pools, hook: str) -> None:
    seen = await panic(pools, hook)

    assert (seen.status, seen.whole) == (200, True), seen
    assert await counted(pools) == ["ok"]
