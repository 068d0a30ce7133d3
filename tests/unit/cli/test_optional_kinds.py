"""PodMonitor belongs to others: its definition may come and go while the operator runs."""

import logging
from typing import Any

import pytest

from tests.support.fake_cluster import FakeCluster
from tests.unit.cli.operator_bench import FLEET, Bench
from tokenfleet.cli import operate
from tokenfleet.cli.wiring import _readiness
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.reconcilers.optional_kinds import OptionalKinds
from tokenfleet.reconcilers.resources import INFERENCE_POOLS, MONITORS
from tokenfleet.reconcilers.store import Store

KIND = MONITORS.kind


class Monitored(Bench):
    """A fleet whose objects others may define and take away."""

    def define(self) -> None:
        self.cluster.unserved.discard(KIND)

    def undefine(self) -> None:
        """As the API server does: without the objects, and with 404 for every call about them."""
        self.cluster.unserved.add(KIND)
        for address in [address for address in self.cluster.objects if address[0] == KIND]:
            del self.cluster.objects[address]

    def monitors(self) -> list[str]:
        return sorted(name for kind, _, name in self.cluster.objects if kind == KIND)

    def scale(self, replicas: int) -> None:
        pool = self.cluster.objects["ServingPool", "ns", "large"]
        self.cluster.put({**pool, "spec": {**pool["spec"], "replicas": replicas}})

    def told(self) -> list[tuple[str, bool]]:
        """Return what `/readyz?verbose` says of the kind, and whether it decides."""
        checks = _readiness(self.operator.core, self.operator.shell.resync)
        return [(one.problem, one.decides) for one in checks if one.name == f"kind {KIND}"]

    def ready(self) -> dict[str, str]:
        where = (("ServingPool", "large"), ("ModelRouter", "default"))
        found = {name: self.status(kind, name)["conditions"] for kind, name in where}
        return {
            name: item["reason"]
            for name, conditions in found.items()
            for item in conditions
            if item["type"] in {"Accepted", "Ready"} and item["status"] == "False"
        }


@pytest.fixture
async def bench() -> Monitored:
    """Return a fleet in a cluster without the kind."""
    bench = Monitored()
    bench.watch()
    bench.undefine()
    await operate._lead(bench.operator.core)
    for body in FLEET:
        bench.cluster.put(body)
    await bench.settle()
    return bench


async def look(bench: Monitored) -> None:
    await bench.operator.core.optional.look()
    await bench.settle()


async def test_monitors_are_made_when_their_kind_comes(bench: Monitored) -> None:
    assert bench.monitors() == []

    bench.define()
    await look(bench)

    assert bench.monitors() == ["default-router", "large"]


async def test_a_kind_that_goes_leaves_everything_else_as_it_is(
    bench: Monitored, caplog: Any
) -> None:
    bench.define()
    await look(bench)
    before = bench.ready()
    bench.undefine()
    results: list[str] = []
    telemetry = bench.operator.core.telemetry
    telemetry.visited = lambda _kind, result, _seconds: results.append(result)  # type: ignore[method-assign]

    with caplog.at_level(logging.WARNING):
        bench.scale(5)
        # What is applied the same way again costs no call, so it is told by a new body only.
        bench.operator.shell.visits.applier._written.clear()
        await bench.settle()

    assert bench.cluster.objects["Deployment", "ns", "large"]["spec"]["replicas"] == 5
    assert bench.ready() == before, "what only watches is no reason not to be ready"
    assert "conflict" not in results
    assert "error" not in results
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert [message for message in warned if KIND in message] == [
        "PodMonitor is not served any more: left out until it is"
    ]
    assert bench.told() == [("its definition has gone", False)]


async def test_monitors_come_back_with_their_kind(bench: Monitored) -> None:
    bench.define()
    await look(bench)
    bench.undefine()
    await look(bench)
    assert bench.monitors() == []
    assert not bench.store.count(KIND)

    bench.define()
    await look(bench)

    assert bench.monitors() == ["default-router", "large"]
    assert bench.operator.core.optional.lost == {}
    reasons = {c["reason"] for c in bench.status("ServingPool", "large")["conditions"]}
    assert "FieldConflict" not in reasons, "nobody contests what went with its definition"


async def test_a_kind_that_may_not_be_listed_takes_nothing_else_away() -> None:
    """Rights that an administrator has cut down, or that are older than the operator."""
    bench = Monitored()
    bench.watch()
    bench.cluster.closed.add(KIND)
    await operate._lead(bench.operator.core)
    assert await bench.operator.shell.resync.fill()
    for body in FLEET:
        bench.cluster.put(body)
    await bench.settle()

    assert bench.operator.shell.resync.blind == {}
    assert "Deployment" in {kind for kind, _, _ in bench.cluster.objects}
    assert bench.monitors() == []
    assert "ChildRefused" not in bench.ready().values()
    ((why, decides),) = bench.told()
    assert "forbidden" in why
    assert not decides

    bench.cluster.closed.clear()
    await look(bench)
    assert bench.monitors() == ["default-router", "large"]
    assert bench.told() == []


async def test_a_kind_that_may_not_be_listed_any_more_blinds_nobody(bench: Monitored) -> None:
    bench.define()
    await look(bench)
    bench.cluster.closed.add(KIND)

    await bench.operator.shell.resync.compare(grace=0)

    assert bench.operator.shell.resync.blind == {}
    assert bench.monitors() == ["default-router", "large"]


async def test_a_namespace_that_is_gone_keeps_no_kind_from_the_others() -> None:
    cluster, woken = FakeCluster(), list[ObjectKey]()
    kinds = OptionalKinds(cluster, Store(woken.append), woken.append, namespaces=("a", "b"))
    cluster.forbidden.add("b")

    await kinds.look()

    assert kinds.serves(MONITORS)
    assert kinds.lost == {}


async def test_what_is_in_a_kind_that_comes_is_known_with_it(bench: Monitored) -> None:
    """A pool that follows an InferencePool must not be told that there is none."""
    bench.cluster.unserved.add(INFERENCE_POOLS.kind)
    body = {
        "apiVersion": "v1",
        "kind": INFERENCE_POOLS.kind,
        "metadata": {"name": "a", "namespace": "ns"},
    }
    stored = bench.cluster.put(body)
    bench.store.remove(key_of(stored))
    bench.operator.core.optional.note(INFERENCE_POOLS, served=False)

    bench.cluster.unserved.clear()
    await bench.operator.core.optional.look()

    assert bench.store.get(key_of(stored)) is not None


async def test_a_404_about_another_kind_stays_a_failure(bench: Monitored) -> None:
    """A namespace that is being deleted answers so, too."""
    assert not await bench.operator.core.optional.gone(
        next(kind for kind in bench.operator.core.watched if kind.kind == "Deployment")
    )
