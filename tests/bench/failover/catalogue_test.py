"""Failover Bench: the sixteen faults of its public catalogue against this router, and its peers.

    .venv/bin/python -m pytest -s tests/bench/failover

All faults at once, each with models of its own: a minute and a half, the length of the longest.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from e2e.kit.ports import free_port
from tests.bench import peers
from tests.bench.failover import fleet
from tests.bench.failover.caller import Outcome, ask
from tests.bench.failover.faults import FALLBACK, FAULTS, Evidence, Fault
from tests.bench.failover.scoring import Score, Verdict, score
from tests.bench.failover.wall import Wall
from tests.bench.figures import record
from tests.bench.router_overhead_test import process
from tests.integration.envoy.router import Router

pytestmark = pytest.mark.envoy

PASSES = 13
"""Of sixteen. A stream that breaks after its first words is reported, not continued (S08, S09, S14)."""
REPLICAS = 2
ALIVE_SECONDS = 10.0


async def examine(wall: Wall, url: Callable[[Fault], str]) -> dict[Fault, Score]:
    """Put every fault to a router, or to one router each."""
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(timeout=None, limits=limits) as client:

        async def one(fault: Fault) -> tuple[Fault, Score]:
            return fault, score(fault, await evidence(wall, client, url(fault), fault))

        return dict(await asyncio.gather(*map(one, FAULTS)))


async def evidence(wall: Wall, client: httpx.AsyncClient, url: str, fault: Fault) -> Evidence:
    """Call under one fault, then look whether the router still serves."""
    calls: list[Outcome] = []
    sent: list[float] = []
    began = time.monotonic()
    for number in range(fault.calls):
        await asyncio.sleep(max(0.0, began + number * fault.every - time.monotonic()))
        sent.append(time.monotonic())
        calls.append(await ask(client, url, fault.model, fault.most))
    # Faults share the healthy model: what stood in is told by the answers, not by its count.
    fallback = wall.attempts[fault.fallback] if fault.fallback != FALLBACK else ()
    alive = await ask(client, url, FALLBACK, ALIVE_SECONDS)
    return Evidence(
        calls=tuple(calls),
        sent=tuple(sent),
        primary=tuple(wall.attempts[fault.model]),
        fallback=tuple(fallback),
        alive=alive.complete,
    )


def tell(name: str, scores: dict[Fault, Score]) -> Counter[Verdict]:
    """Print and keep the result; return how often each verdict was given."""
    verdicts = Counter(found.verdict for found in scores.values())
    print(f"\n{name}: " + ", ".join(f"{verdicts[verdict]} {verdict.value}" for verdict in Verdict))
    for fault, found in scores.items():
        print(f"{fault.id} {fault.title}: {found.verdict.value}, {found.why}")
    record(
        f"failover {name}",
        {
            fault.id: {"fault": fault.title, "verdict": found.verdict.value, "why": found.why}
            for fault, found in scores.items()
        },
    )
    return verdicts


async def test_the_router_with_its_defaults_rescues_what_can_be_rescued(tmp_path: Path) -> None:
    wall, router = Wall(), Router(tmp_path)
    await wall.start(REPLICAS)
    config = fleet.config()
    replicas = tuple(("127.0.0.1", port) for port in wall.ports)
    router.publish(config, {pool.name: replicas for pool in config.pools})
    try:
        await router.start()
        await router.applied()
        scores = await examine(wall, lambda _: router.url)
    finally:
        await router.stop()
        await wall.stop()

    verdicts = tell("Tokenfleet", scores)
    assert verdicts[Verdict.FAIL] == 0
    assert verdicts[Verdict.PASS] >= PASSES


async def test_litellm_under_the_same_faults(tmp_path: Path) -> None:
    """For the table alone: two retries, 30 s and one fallback, as the methodology asks."""
    wall, port = Wall(), free_port()
    await wall.start(1)
    names = sorted({fault.model for fault in FAULTS} | {fault.fallback for fault in FAULTS})
    fallbacks = [{fault.model: [fault.fallback]} for fault in FAULTS]
    command = peers.litellm(
        tmp_path,
        port,
        names,
        wall.ports[0],
        router_settings={"num_retries": 2, "timeout": 30, "fallbacks": fallbacks},
        litellm_settings={"request_timeout": 30},
    )
    try:
        async with process(*command):
            url = f"http://127.0.0.1:{port}"
            await serving(url)
            scores = await examine(wall, lambda _: url)
    finally:
        await wall.stop()
    assert sum(tell(peers.LITELLM, scores).values()) == len(FAULTS)


async def test_vllm_router_under_the_same_faults() -> None:
    """For the table alone: its defaults before two replicas; it knows no other model to turn to.

    A router for each fault, since it keeps a breaker for each replica and not for each model.
    """
    wall = Wall()
    await wall.start(REPLICAS)
    ports = {fault: free_port() for fault in FAULTS}
    try:
        async with contextlib.AsyncExitStack() as stack:
            for port in ports.values():
                await stack.enter_async_context(process(*peers.vllm_router(port, wall.ports)))
            urls = {fault: f"http://127.0.0.1:{port}" for fault, port in ports.items()}
            await asyncio.gather(*map(serving, urls.values()))
            scores = await examine(wall, urls.__getitem__)
    finally:
        await wall.stop()
    assert sum(tell(peers.VLLM_ROUTER, scores).values()) == len(FAULTS)


async def serving(url: str) -> None:
    """Wait until a healthy model answers: it listens long before."""
    async with asyncio.timeout(peers.START_SECONDS), httpx.AsyncClient() as client:
        while not (await ask(client, url, FALLBACK, ALIVE_SECONDS)).complete:
            await asyncio.sleep(1)
