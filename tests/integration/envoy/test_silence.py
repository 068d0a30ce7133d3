"""What nobody answers and no attempt's limit ends is ended by the module's own watch."""

import asyncio
import json

import pytest

from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.pools import Pools
from tests.integration.envoy.scripted import Data, Head, Pause
from tokenfleet.adapters.envoy import plan

pytestmark = pytest.mark.envoy

UNLIMITED = configuration({"large": 1000, "small": 0})


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eleven minutes are too long for a test."""
    monkeypatch.setattr(plan, "IDLE_MS", 1_000)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_request_that_nobody_answers_is_told_so(pools: Pools, *, stream: bool) -> None:
    pools.large[0].script = (Pause(60),)
    await pools.serve(UNLIMITED)

    seen = await pools.ask({"stream": stream})

    assert (seen.status, seen.whole) == (504, True)
    assert json.loads(seen.body)["error"]["code"] == "timeout"
    assert not pools.small[0].requests
    assert await pools.outcomes() == [("large", "timeout")]
    await pools.reaches(1, "tokenfleet_requests_total", 'outcome="timeout"')


async def test_a_silence_is_noticed_after_a_time_without_requests(pools: Pools) -> None:
    await pools.serve(UNLIMITED)
    await pools.ask()
    await asyncio.sleep(0.5)  # the thread that watches looks ten times a second, then sleeps
    pools.large[0].script = (Pause(60),)

    seen = await pools.ask()

    assert (seen.status, seen.whole) == (504, True)


async def test_an_error_whose_rest_never_comes_is_cut(pools: Pools) -> None:
    pools.large[0].script = (Head(409, "application/json"), Data('{"error":'), Pause(60))
    await pools.serve(UNLIMITED)

    seen = await pools.ask()

    assert (seen.status, seen.body, seen.whole) == (409, '{"error":', False)
    assert await pools.outcomes() == [("large", "client_error")]
