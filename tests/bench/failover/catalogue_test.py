"""Failover Bench: the sixteen faults of its public catalogue against this router, and a peer.

    .venv/bin/python -m pytest -s tests/bench/failover

All faults at once, each with models of its own: a minute and a half, the length of the longest.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.bench.failover import fleet
from tests.bench.failover.caller import Outcome, ask
from tests.bench.failover.faults import FALLBACK, FAULTS, Evidence, Fault
from tests.bench.failover.scoring import Score, Verdict, score
from tests.bench.failover.wall import Wall
from tests.bench.router_overhead_test import process
from tests.integration.envoy.router import Router, module_folder
from tests.support.ports import free_port
from tokenfleet.adapters.envoy.module import SEARCH_PATH

pytestmark = pytest.mark.envoy

PASSES = 13
"""Of sixteen. A stream that breaks after its first words is reported, not continued (S08, S09, S14)."""
REPLICAS = 2
ALIVE_SECONDS = 10.0
PEER_START_SECONDS = 180


async def examine(wall: Wall, url: str) -> dict[Fault, Score]:
    """Put every fault to a router."""
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(timeout=None, limits=limits) as client:

        async def one(fault: Fault) -> tuple[Fault, Score]:
            return fault, score(fault, await evidence(wall, client, url, fault))

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


def table(name: str, scores: dict[Fault, Score]) -> str:
    """Return the result as it is published."""
    rows = [
        f"| {fault.id} | {fault.title} | {found.verdict.value} | {found.why} |"
        for fault, found in scores.items()
    ]
    found = Counter(score.verdict for score in scores.values())
    total = ", ".join(f"{found[verdict]} {verdict.value}" for verdict in Verdict)
    return "\n".join(
        [f"{name}: {total}", "| id | fault | verdict | why |", "| - | - | - | - |", *rows]
    )


async def test_the_router_with_its_defaults_rescues_what_can_be_rescued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SEARCH_PATH, str(module_folder()))
    wall, router = Wall(), Router(tmp_path)
    await wall.start(REPLICAS)
    config = fleet.config()
    replicas = tuple(("127.0.0.1", port) for port in wall.ports)
    router.publish(config, {pool.name: replicas for pool in config.pools})
    try:
        await router.start()
        await router.applied()
        scores = await examine(wall, router.url)
    finally:
        await router.stop()
        await wall.stop()

    print("\n" + table("Tokenfleet, defaults", scores))
    verdicts = Counter(found.verdict for found in scores.values())
    assert verdicts[Verdict.FAIL] == 0
    assert verdicts[Verdict.PASS] >= PASSES


async def test_a_peer_under_the_same_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteLLM's proxy, found by `TOKENFLEET_LITELLM` or in the path; for the table alone."""
    binary = os.environ.get("TOKENFLEET_LITELLM") or shutil.which("litellm")
    if binary is None:
        pytest.skip("litellm is not installed; router_peers_test.py says how")
    # It fetches a price list from the internet at its start unless it is told not to.
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    wall, port = Wall(), free_port()
    await wall.start(1)
    (tmp_path / "litellm.yaml").write_text(json.dumps(peer(wall.ports[0])))
    place = ["--config", str(tmp_path / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    try:
        async with process(binary, *place):
            url = f"http://127.0.0.1:{port}"
            await serving(url)
            scores = await examine(wall, url)
    finally:
        await wall.stop()
    print("\n" + table("LiteLLM, the catalogue's baseline", scores))


async def serving(url: str) -> None:
    """Wait until a healthy model answers: it listens long before."""
    async with asyncio.timeout(PEER_START_SECONDS), httpx.AsyncClient() as client:
        while not (await ask(client, url, FALLBACK, ALIVE_SECONDS)).complete:
            await asyncio.sleep(1)


def peer(port: int) -> object:
    """Return LiteLLM's configuration: two retries, 30 s, one fallback, as the methodology asks."""
    names = {fault.model for fault in FAULTS} | {fault.fallback for fault in FAULTS}
    models = [
        {
            "model_name": name,
            "litellm_params": {
                "model": f"openai/{name}",
                "api_base": f"http://127.0.0.1:{port}/v1",
                "api_key": "none",
            },
        }
        for name in sorted(names)
    ]
    fallbacks = [{fault.model: [fault.fallback]} for fault in FAULTS]
    return {
        "model_list": models,
        "router_settings": {"num_retries": 2, "timeout": 30, "fallbacks": fallbacks},
        "litellm_settings": {"request_timeout": 30},
        "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
    }
