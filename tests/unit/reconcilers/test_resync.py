"""Anti-entropy: what a watch has missed is found and healed, and nothing else is touched."""

import asyncio
from typing import Any

import pytest

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import CountingTelemetry
from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.reconcilers.resources import POOLS, SERVICES
from tokenfleet.reconcilers.resync import Resync
from tokenfleet.reconcilers.store import Store

KEY = ObjectKey("ServingPool", "ns", "large")


class Bench:
    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.woken: list[ObjectKey] = []
        self.store = Store(self.woken.append)
        self.telemetry = CountingTelemetry()
        self.resync = Resync(
            self.cluster,
            self.store,
            {POOLS: "", SERVICES: ""},
            telemetry=self.telemetry,
            wake=self.woken.append,
        )

    def pool(self, replicas: int = 1) -> dict[str, Any]:
        return self.cluster.put(
            {
                "apiVersion": "tokenfleet.dev/v1alpha1",
                "kind": "ServingPool",
                "metadata": {"name": "large", "namespace": "ns"},
                "spec": {"type": "Managed", "replicas": replicas},
            }
        )


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_the_barrier_opens_when_every_kind_is_listed(bench: Bench) -> None:
    bench.pool()
    task = asyncio.create_task(bench.resync.run())
    assert not bench.resync.synced.is_set()

    await asyncio.wait_for(bench.resync.synced.wait(), 1)
    task.cancel()

    assert bench.store.get(KEY) is not None


async def test_a_deletion_that_the_watch_missed_is_healed(bench: Bench) -> None:
    """After a 410 a watch starts with a fresh list, and the deleted object is simply not in it."""
    bench.store.put(bench.pool())
    del bench.cluster.objects["ServingPool", "ns", "large"]
    bench.woken.clear()

    assert await bench.resync.compare(grace=0) == 1
    assert bench.store.get(KEY) is None
    assert KEY in bench.woken
    assert bench.telemetry.counts["diverged", "ServingPool"] == 1


async def test_a_change_and_a_creation_that_the_watch_missed_are_healed(bench: Bench) -> None:
    bench.store.put(bench.pool())
    bench.pool(replicas=5)
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "ns"}}
    bench.cluster.put(service)

    assert await bench.resync.compare(grace=0) == 2
    stored = bench.store.get(KEY)
    assert stored is not None
    assert stored["spec"]["replicas"] == 5


async def test_a_store_that_is_in_step_is_not_touched(bench: Bench) -> None:
    bench.store.put(bench.pool())
    bench.woken.clear()

    assert await bench.resync.compare(grace=0) == 0
    assert bench.woken == []


async def test_a_watch_that_only_lags_has_missed_nothing(bench: Bench) -> None:
    bench.store.put(bench.pool())
    changed = bench.pool(replicas=5)

    async def watch_delivers() -> None:
        await asyncio.sleep(0.01)
        bench.store.put(changed)

    late = asyncio.create_task(watch_delivers())

    assert await bench.resync.compare(grace=0.05) == 0
    await late


async def test_two_divergent_rounds_make_the_process_unhealthy(bench: Bench) -> None:
    bench.resync.synced.set()
    bench.resync.finished_at = asyncio.get_running_loop().time()
    for replicas in (1, 2):
        bench.pool(replicas)
        await bench.resync.compare(grace=0)
    assert not bench.resync.healthy

    await bench.resync.compare(grace=0)
    assert bench.resync.healthy
