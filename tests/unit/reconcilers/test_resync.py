"""Anti-entropy: what a watch has missed is found and healed, and nothing else is touched."""

import asyncio
from typing import Any

import pytest

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import CountingTelemetry
from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.ports import Resource
from tokenfleet.reconcilers import resync
from tokenfleet.reconcilers.resources import MONITORS, POOLS, SERVICES
from tokenfleet.reconcilers.resync import Resync
from tokenfleet.reconcilers.store import Store

KEY = ObjectKey("ServingPool", "ns", "large")


class Bench:
    def __init__(self, *namespaces: str) -> None:
        self.cluster = FakeCluster()
        self.woken: list[ObjectKey] = []
        self.store = Store(self.woken.append)
        self.telemetry = CountingTelemetry()
        self.resync = Resync(
            self.cluster,
            self.store,
            lambda: {POOLS: "", SERVICES: ""},
            telemetry=self.telemetry,
            wake=self.woken.append,
            namespaces=namespaces,
        )

    def pool(self, replicas: int = 1, namespace: str = "ns") -> dict[str, Any]:
        return self.cluster.put(
            {
                "apiVersion": "tokenfleet.dev/v1alpha1",
                "kind": "ServingPool",
                "metadata": {"name": "large", "namespace": namespace},
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

    await asyncio.wait_for(bench.resync.synced.wait(), 60)
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
    for name in ("large", "nobody-names-it"):
        names = {"name": name, "namespace": "ns"}
        bench.cluster.put({"apiVersion": "v1", "kind": "Service", "metadata": names})

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


async def test_an_etcd_that_was_restored_is_believed(bench: Bench) -> None:
    """Its versions are lower than those in memory; taken for old news, they would blind the store."""
    restored = bench.pool(replicas=1)
    metadata = {**restored["metadata"], "resourceVersion": "90000"}
    bench.store.put({**restored, "metadata": metadata, "spec": {"type": "Managed", "replicas": 9}})

    assert await bench.resync.compare(grace=0) == 1
    stored = bench.store.get(KEY)
    assert stored is not None
    assert stored["spec"]["replicas"] == 1
    assert await bench.resync.compare(grace=0) == 0


async def test_a_write_that_comes_in_while_an_object_is_read_again_stays(bench: Bench) -> None:
    bench.store.put(bench.pool())
    older = bench.pool(replicas=2)
    newer = {**older, "metadata": {**older["metadata"], "resourceVersion": "99999"}}

    async def get(*_: Any) -> Any:
        bench.store.put(newer)
        return older

    bench.cluster.get = get  # type: ignore[method-assign]
    await bench.resync.compare(grace=0)

    stored = bench.store.get(KEY)
    assert stored is not None
    assert stored["metadata"]["resourceVersion"] == "99999"


async def test_a_namespace_that_may_not_be_listed_holds_nobody_up() -> None:
    """It was deleted, or its RoleBinding was: 403 is not an outage."""
    bench = Bench("a", "b")
    bench.cluster.forbidden.add("b")
    bench.pool(namespace="a")

    assert await bench.resync.fill()
    assert bench.store.get(ObjectKey("ServingPool", "a", "large")) is not None
    assert list(bench.resync.blind) == ["b"]
    assert "forbidden" in bench.resync.blind["b"]
    assert bench.resync.sees("a")
    assert not bench.resync.sees("b")


async def test_a_namespace_that_comes_back_is_filled_and_visited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resync, "BLIND_RETRY", 0.01)
    bench = Bench("a", "b")
    bench.cluster.forbidden.add("b")
    task = asyncio.create_task(bench.resync.run())
    async with asyncio.timeout(60):
        await bench.resync.synced.wait()
        bench.pool(namespace="b")
        bench.woken.clear()
        bench.cluster.forbidden.clear()
        while bench.resync.blind:
            await asyncio.sleep(0.01)
    task.cancel()

    assert ObjectKey("ServingPool", "b", "large") in bench.woken
    assert bench.resync.sees("b")


async def test_a_namespace_that_is_lost_later_does_not_stop_the_rounds_of_the_others() -> None:
    bench = Bench("a", "b")
    bench.pool(namespace="a")
    bench.pool(namespace="b")
    assert await bench.resync.fill()

    bench.cluster.forbidden.add("b")
    bench.pool(replicas=7, namespace="a")

    assert await bench.resync.compare(grace=0) == 1
    assert list(bench.resync.blind) == ["b"]
    assert bench.resync.sees("b"), "what is known of it stays in force"


@pytest.mark.parametrize(("gone", "seen"), [(MONITORS, True), (POOLS, False)])
async def test_a_kind_of_others_may_go_with_its_definition(gone: Resource, *, seen: bool) -> None:
    """It was served when the operator started; without ours there is nothing to do."""
    bench = Bench()
    bench.resync = Resync(
        bench.cluster,
        bench.store,
        lambda: {MONITORS: "", SERVICES: "", POOLS: ""},
        telemetry=bench.telemetry,
        wake=bench.woken.append,
    )
    bench.pool()
    bench.cluster.unserved.add(gone.kind)

    await bench.resync.fill()

    assert bench.resync.sees("ns") is seen


async def test_an_outage_is_waited_for() -> None:
    bench = Bench("a", "b")
    bench.cluster.outage = True

    assert not await bench.resync.fill()
    assert bench.resync.blind == {}


async def test_a_round_reads_metadata_only_and_page_by_page(bench: Bench) -> None:
    """Two copies of everything would not fit where one does."""
    bench.store.put(bench.pool())
    held: list[int] = []
    pages = bench.cluster.pages

    async def counted(*arguments: Any, **options: Any) -> Any:
        assert options["metadata_only"]
        async for page in pages(*arguments, **options):
            held.append(len(page))
            yield page

    bench.cluster.page = 2
    bench.cluster.pages = counted  # type: ignore[method-assign]
    for number in range(9):
        names = {"name": f"s-{number}", "namespace": "ns"}
        bench.cluster.put({"apiVersion": "v1", "kind": "Service", "metadata": names})

    assert await bench.resync.compare(grace=0) == 0
    assert max(held) == 2
