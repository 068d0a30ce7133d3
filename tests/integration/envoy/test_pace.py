"""The time per token after the first, on the real Envoy."""

import asyncio
import contextlib
import time

import httpx
import pytest

from tests.integration.envoy.conftest import CHAT, Fleet
from tests.integration.envoy.model_server import Behaviour
from tests.integration.envoy.test_measurements import LARGE, SMALL, answered, ended, scraped

pytestmark = pytest.mark.envoy

OTHERS = 6
"""Tokens after the first, of the seven that a stream's usage tells."""
PACE_SUM = f"tokenfleet_time_per_output_token_seconds_sum{{{LARGE}}}"


def paced(metrics: dict[str, float], le: str, labels: str = LARGE) -> float:
    name = "tokenfleet_time_per_output_token_seconds_bucket"
    return metrics.get(f'{name}{{{labels},le="{le}"}}', 0)


async def streamed(fleet: Fleet, pace: float, *, silence: float = 0.0) -> tuple[float, float]:
    """Ask for a stream that takes so many seconds for each token after the first.

    Its first token comes after a silence, and its end is sent once the client has waited long enough
    behind that token. So the router has seen at least what the client has waited, and at most what
    lies between the sending of the token and the end at the client, however slow the machine is.

    Returns:
        These two, by token.
    """
    first, last = asyncio.Event(), asyncio.Event()
    fleet.large.behaviour = Behaviour(first=first, last=last, role=True)
    before = len(fleet.large.requests)

    async def begin() -> float:
        async with asyncio.timeout(60):
            while len(fleet.large.requests) == before:
                await asyncio.sleep(0.02)
        await asyncio.sleep(silence)
        began = time.monotonic()
        first.set()
        return began

    beginning = asyncio.create_task(begin())
    async with fleet.client.stream("POST", CHAT, json={"model": "chat", "stream": True}) as answer:
        parts, text = answer.aiter_text(), ""
        while "tok" not in text:
            text += await anext(parts)
        seen = time.monotonic()
        await asyncio.sleep(pace * OTHERS)
        waited = time.monotonic() - seen
        last.set()
        async for _ in parts:
            pass
    return waited / OTHERS, (time.monotonic() - await beginning) / OTHERS


async def test_it_is_the_rest_of_the_stream_by_the_other_tokens(serving: Fleet) -> None:
    bounds = [await streamed(serving, pace) for pace in (0.06, 0.23, 0.23)]

    metrics = await scraped(serving, lambda m: paced(m, "+Inf") == 3)
    assert (paced(metrics, "0.05"), paced(metrics, "600.0")) == (0, 3)
    assert paced(metrics, "0.2") <= 1
    least, most = (sum(one) for one in zip(*bounds, strict=True))
    assert least < metrics[PACE_SUM] < most


async def test_it_starts_at_the_first_token(serving: Fleet) -> None:
    """Not at the headers, nor at the chunk that says who speaks."""
    least, most = await streamed(serving, 0.06, silence=1.5)

    metrics = await scraped(serving, lambda m: paced(m, "+Inf") == 1)
    assert paced(metrics, "0.05") == 0
    assert least < metrics[PACE_SUM] < most


async def test_what_has_no_pace_makes_no_sample(serving: Fleet) -> None:
    """Whole answers, unknown usage, a single token, clients that left, the client's own errors."""
    await serving.ask()
    for behaviour in (Behaviour(usage=False), Behaviour(tokens=1), Behaviour(status=400)):
        serving.large.behaviour = behaviour
        await serving.ask(stream=True)
    serving.large.behaviour = Behaviour(gap=1)
    with contextlib.suppress(httpx.TimeoutException):
        await serving.client.post(CHAT, json={"model": "chat", "stream": True}, timeout=0.5)
    serving.large.behaviour = Behaviour(gap=0.05)
    await serving.ask(stream=True)

    metrics = await scraped(serving, lambda m: paced(m, "+Inf") > 0 and answered(m) == 4)
    assert paced(metrics, "+Inf") == 1


async def test_a_stream_that_failed_is_slower_than_every_threshold(serving: Fleet) -> None:
    """It could have been good; a whole answer that failed could not."""
    for behaviour, stream in (
        (Behaviour(breaks_after=1, gap=0.05), True),
        (Behaviour(status=500), True),
        (Behaviour(status=500), False),
    ):
        serving.large.behaviour = behaviour
        with contextlib.suppress(httpx.HTTPError):
            await serving.ask(stream=stream)

    metrics = await scraped(serving, lambda m: ended(m, "server_error") == 2)
    assert (paced(metrics, "600.0"), paced(metrics, "+Inf")) == (0, 2)


async def test_the_pool_that_streamed_has_it(serving: Fleet) -> None:
    serving.large.behaviour = Behaviour(status=503)
    serving.small.behaviour = Behaviour(gap=0.05)

    await serving.ask(stream=True)

    metrics = await scraped(serving, lambda m: paced(m, "600.0", SMALL) == 1)
    assert paced(metrics, "600.0") == 0
