"""What is counted is what was made: to the token where a client got a whole answer, between what the
client got and what the engine sent where it is not.
"""

import asyncio
import random
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.counting import PATHS, WORD, Counting, Fate, Order, Usage
from tests.integration.envoy.pools import Pools
from tests.integration.envoy.replica import Json
from tests.integration.envoy.router import Router
from tests.integration.envoy.scripted import Seen, ask
from tokenfleet.domain.routing.ir import RouterConfig

pytestmark = pytest.mark.envoy

REQUESTS = 10_000
AT_ONCE = 48
WHOLE, BREAKS = "chat", "generation"
"""The features of requests that are served whole, and whose answers break: they are counted apart."""

FAIL_FIRST: tuple[Fate, ...] = ("500", "429")
BREAK_LATER: tuple[Fate, ...] = ("unfinished", "error later", "slow")
EJECT_FIRST: tuple[Fate, ...] = ("503", "error", "reset", "cut")
EJECT_LATER: tuple[Fate, ...] = ("cut later", "reset later")
"""Three of these in a row take a pool out for seconds, so they are few; the others are many."""


def orders() -> Iterator[Order]:
    """Four of five are served whole, one in six of these by the second pool; the fifth breaks."""
    draw = random.Random(20)
    for _ in range(REQUESTS):
        api = draw.choice(list(PATHS))
        stream = api != "embeddings" and draw.random() < 0.6
        few = draw.random() < 0.1
        fates: tuple[Fate, Fate] = ("ok", "ok")
        if draw.random() < 0.2:
            later = (EJECT_LATER if few else BREAK_LATER) if stream else ("slow",)
            fates = (draw.choice(later),) * 2
        elif draw.random() < 1 / 6:
            fates = (draw.choice(EJECT_FIRST if few else FAIL_FIRST), "ok")
        prompt = draw.randrange(1, 5000)
        completion = draw.randrange(1, 2000) if api != "embeddings" else 0
        cached = draw.randrange(prompt + 1) if api != "embeddings" else 0
        usage = Usage(prompt, cached, completion)
        yield Order(api, fates, usage, stream, before=draw.randrange(1, 12))


def breaks(order: Order) -> bool:
    return order.fates[1] != "ok"


def routes() -> RouterConfig:
    """One route for each API, so that each is counted apart."""
    config = configuration({"large": 1000, "small": 0})
    (route,) = config.routes
    route = replace(route, features=(WHOLE, BREAKS), rules=route.rules[1:])
    own = (replace(route, name=api, model_names=(api,)) for api in PATHS)
    return replace(config, routes=tuple(own))


async def send(port: int, number: int, order: Order) -> Seen:
    body: Json = {"model": order.api, "number": number, "stream": order.stream}
    if number % 2 and order.api in {"chat", "completions"} and order.stream:
        body["stream_options"] = {"include_usage": True}
    headers = {"x-tokenfleet-feature": BREAKS if breaks(order) else WHOLE}
    until = asyncio.get_running_loop().time() + 0.02 + number % 8 / 40

    def leaves(_: Seen) -> bool:
        return order.fates[1] == "slow" and asyncio.get_running_loop().time() > until

    return await ask(port, body, path=PATHS[order.api], headers=headers, leaves=leaves)


async def load(port: int, all_: list[Order]) -> list[Seen]:
    seen = [Seen()] * len(all_)
    numbers = iter(range(len(all_)))

    async def client() -> None:
        for number in numbers:
            seen[number] = await send(port, number, all_[number])

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return seen


def made(usages: Iterable[Usage]) -> tuple[int, int, int]:
    prompt = cached = completion = 0
    for usage in usages:
        prompt += usage.prompt
        cached += usage.cached
        completion += usage.completion
    return prompt, cached, completion


async def counted(pools: Pools, *labels: str) -> tuple[float, ...]:
    names = ("prompt", "cached_prompt", "completion")
    return tuple([await pools.value(f"tokenfleet_{name}_tokens_total", *labels) for name in names])


async def test_ten_thousand_mixed_requests_are_counted_to_the_token(tmp_path: Path) -> None:
    all_ = list(orders())
    servers = {"large": Counting(all_, attempt=0), "small": Counting(all_, attempt=1)}
    pools = Pools(Router(tmp_path), [servers["large"]], [servers["small"]])  # type: ignore[list-item]
    async with AsyncExitStack() as stack:
        for server in servers.values():
            await stack.enter_async_context(server.serving())
        stack.push_async_callback(pools.router.stop)
        await pools.serve(routes())

        seen = await load(pools.router.ports.traffic, all_)

        await pools.reaches(REQUESTS, "tokenfleet_requests_total")
        await pools.outcomes()  # all attempts have ended
        async with asyncio.timeout(60):  # ... for the servers, too
            while any(server.under_way for server in servers.values()):
                await asyncio.sleep(0.02)
        served = [(order, s) for order, s in zip(all_, seen, strict=True) if not breaks(order)]
        failed = [s for _, s in served if not s.whole]
        assert not failed, failed[0]
        for pool, server in servers.items():
            whole = [order for order, s in served if s.pool == pool]
            # More where a connection broke before the router had the answer, and another was asked.
            assert sum(entry.whole for entry in server.ledger) >= len(whole)
            good = (f'pool="{pool}"', f'feature="{WHOLE}"', 'outcome="ok"')
            assert (
                await pools.value("tokenfleet_attempts_total", *good) == len(whole) > REQUESTS / 20
            )
            for api in PATHS:
                own = (order.usage for order in whole if order.api == api)
                labels = (f'route="{api}"', f'pool="{pool}"', f'feature="{WHOLE}"')
                assert await counted(pools, *labels) == made(own), labels
        for api in PATHS:
            broken = [e for s in servers.values() for e in s.ledger if not e.whole]
            sent = sum(entry.tokens for entry in broken if entry.order.api == api)
            delivered = sum(
                answer.body.count(WORD)
                for answer, order in zip(seen, all_, strict=True)
                if breaks(order) and order.api == api
            )
            (_, _, completion) = await counted(pools, f'route="{api}"', f'feature="{BREAKS}"')
            assert delivered <= completion <= sent, api
        assert await pools.value("tokenfleet_requests_total") == REQUESTS
        assert await pools.value("tokenfleet_requests_started_total") == REQUESTS
