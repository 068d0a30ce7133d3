"""Clients that speak HTTP/2 without TLS, and a router with two workers: what an attempt was is the same."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.envoy.http2 import http2_to
from tests.integration.envoy.pools import Pools
from tests.integration.envoy.scripted import GOOD, GOOD_WHOLE, ask
from tests.integration.envoy.test_attempts import PASSED_ON, TAKEN_OVER
from tests.integration.envoy.test_attempts import Row as Attempt
from tests.integration.envoy.test_broken_streams import BROKEN, told
from tests.integration.envoy.test_broken_streams import Row as Broken

pytestmark = pytest.mark.envoy

AT_ONCE = 8


@pytest.fixture(autouse=True)
def two_workers(pools: Pools) -> None:
    pools.router.workers = 2


@pytest.mark.parametrize("row", TAKEN_OVER[::3] + PASSED_ON[::2], ids=lambda row: row.id)
async def test_an_attempt_is_judged_the_same(pools: Pools, tmp_path: Path, row: Attempt) -> None:
    pools.large[0].script = row.script
    pools.small[0].script = GOOD if row.stream else GOOD_WHOLE
    await pools.serve(row.config)
    body = {"model": "chat", "stream": row.stream, "messages": []}

    async with http2_to(pools.router.ports.traffic, tmp_path) as port:
        seen = await ask(port, body)

    status, pool = (200, "small") if row in TAKEN_OVER else (400, "large")
    assert (seen.status, seen.pool, seen.whole) == (status, pool, True), seen
    assert ("large", row.outcome) in await pools.outcomes()


@pytest.mark.parametrize("row", BROKEN, ids=lambda row: row.id)
async def test_clients_of_broken_streams_are_told_then_cut_off(
    pools: Pools, tmp_path: Path, row: Broken
) -> None:
    """Several at once on one connection: a stream that is reset leaves the others alone."""
    pools.large[0].script = row.script
    await pools.serve(replace(row.config, access_log="All"))
    body = {"model": "chat", "stream": True, "messages": []}

    async with http2_to(pools.router.ports.traffic, tmp_path) as port:
        all_ = await asyncio.gather(*(ask(port, body, path=row.path) for _ in range(AT_ONCE)))

    for seen in all_:
        if seen.pool == "small":  # the first pool is out after three failures
            assert seen.whole, seen
            continue
        assert (seen.status, seen.whole) == (200, False), seen
        assert told(row.path, seen.body), seen
    outcomes = await pools.outcomes()
    assert outcomes.count(("large", row.outcome)) >= 3
    async with asyncio.timeout(90):  # Envoy writes its log once a second
        while '"protocol":"HTTP/' not in pools.router.log():
            await asyncio.sleep(0.05)
    assert '"protocol":"HTTP/1' not in pools.router.log()
