"""Many changes under load: nobody fails, only the difference moves, and memory stays flat."""

import asyncio
import os
import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.bench.figures import record
from tests.integration.envoy.configuration import configuration, shifted
from tests.integration.envoy.conftest import Fleet, pool_of
from tests.integration.envoy.hostile import resident
from tokenfleet.domain.routing.ir import RouterConfig

pytestmark = pytest.mark.envoy

CHANGES = 100
RULES = 200
WARM_UP = 40
LARGE_CHANGES = int(os.environ.get("TOKENFLEET_PLAN_CHANGES", "200"))
CONVERSATIONS = [f"conversation-{number}" for number in range(40)]


def bucket(key: str) -> int:
    """FNV-1a (RFC 9923) and the finalizer of MurmurHash3, as documented in operator/docs/router.md."""
    mixed = 0x811C9DC5
    for byte in key.encode():
        mixed = (mixed ^ byte) * 0x01000193 & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed = (mixed ^ mixed >> shift) * factor & 0xFFFFFFFF
    mixed ^= mixed >> 16
    return (mixed - (mixed >> 31 << 32)) % 1000  # as a signed number


def owners(config: RouterConfig) -> list[str]:
    ranges = config.routes[0].rules[1].ranges
    return [part.pool for part in ranges for _ in range(part.first, part.end)]


async def test_a_hundred_changes_fail_nobody_and_move_only_the_difference(fleet: Fleet) -> None:
    """After a change is in force, a conversation is served by the owner of its bucket: whoever's
    bucket kept its owner kept its pool.
    """
    draw = random.Random(7)
    config = configuration({"large": 1000, "small": 0})
    fleet.router.workers = 2
    await fleet.serve(config)
    statuses: Counter[int] = Counter()
    stop = asyncio.Event()

    async def load() -> None:
        while not stop.is_set():
            response = await fleet.ask(prompt_cache_key=draw.choice(CONVERSATIONS))
            statuses[response.status_code] += 1

    async def pools() -> dict[str, str]:
        async def asked(key: str) -> tuple[str, str]:
            return key, pool_of(await fleet.ask(prompt_cache_key=key))

        return dict(await asyncio.gather(*(asked(key) for key in CONVERSATIONS)))

    workers = [asyncio.create_task(load()) for _ in range(3)]
    served = await pools()
    buckets = {key: bucket(key) for key in CONVERSATIONS}
    moved = 0
    for number in range(CHANGES):
        share = draw.randrange(0, 1001)
        before, config = config, shifted(config, {"large": share, "small": 1000 - share})
        await fleet.serve(config)
        if number % 10 == 9:
            had, served = served, await pools()
            assert served == {key: owners(config)[buckets[key]] for key in CONVERSATIONS}
            moved += sum(had[key] != served[key] for key in CONVERSATIONS)
        changed = sum(a != b for a, b in zip(owners(before), owners(config), strict=True))
        assert changed == abs(before.routes[0].rules[1].shares[0].share - share)
    stop.set()
    await asyncio.gather(*workers)

    assert set(statuses) == {200}
    assert statuses[200] > 200
    assert moved > 0  # otherwise nothing was tried


async def test_streams_that_run_survive_changes_of_share_and_of_pools(fleet: Fleet) -> None:
    end = asyncio.Event()
    fleet.large.behaviour.last = end
    config = configuration({"large": 1000, "small": 0})
    await fleet.serve(config)
    streams = [asyncio.create_task(fleet.ask(stream=True)) for _ in range(8)]
    async with asyncio.timeout(90):
        while len(fleet.large.requests) < len(streams):
            await asyncio.sleep(0.02)

    await fleet.serve(shifted(config, {"large": 0, "small": 1000}))
    fleet.gone = {"large"}
    await fleet.serve(shifted(config, {"large": 0, "small": 1000}))

    assert not any(stream.done() for stream in streams)
    end.set()
    for response in await asyncio.gather(*streams):
        assert response.text.endswith("data: [DONE]\n\n")


async def test_memory_stays_flat_over_changes_of_a_large_plan(fleet: Fleet) -> None:
    """A plan that were kept would show: they are much more than what Envoy's memory varies by."""
    small = configuration({"large": 1000, "small": 0})
    (route,) = small.routes
    other, main = route.rules
    others = tuple(replace(other, name=f"{other.name}-{number}") for number in range(RULES))
    config = replace(small, routes=(replace(route, rules=(other, main, *others)),))

    async def change(times: int) -> None:
        for number in range(times):
            share = number % 1001
            await fleet.serve(shifted(config, {"large": share, "small": 1000 - share}))
            assert (await fleet.ask()).status_code == 200

    await change(WARM_UP)
    before = resident(fleet)
    await change(LARGE_CHANGES)
    grown = resident(fleet) - before
    kept = LARGE_CHANGES * (fleet.router.folder / "rds.json").stat().st_size

    print(f"{grown / 2**20:.1f} MiB more after {kept / 2**20:.0f} MiB of plans")
    told = {"grown_mib": round(grown / 2**20, 1), "written_mib": round(kept / 2**20)}
    record("plan changes", {"changes": LARGE_CHANGES, "rules": RULES, **told})
    assert grown < kept / 3
