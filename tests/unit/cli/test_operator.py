"""The whole operator over fakes: it converges, then it is quiet, whatever the order of events."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import FakeAgents, FakeClock
from tests.support.options import OPTIONS
from tests.unit.domain.fleet.builders import conditions, managed_pool, pool, route, router, slo
from tokenfleet.cli.wiring import Operator, Outside, assemble
from tokenfleet.domain.fleet.keys import key_of
from tokenfleet.ports import Acknowledgement
from tokenfleet.reconcilers.resources import WATCHED


def bare(body: dict[str, Any]) -> dict[str, Any]:
    """Return an object as a user applies it."""
    names = {key: body["metadata"][key] for key in ("name", "namespace")}
    labels = body["metadata"].get("labels")
    return {**body, "metadata": {**names, **({"labels": labels} if labels else {})}}


def service(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns"}
    spec = {"ports": [{"port": 8000}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def endpoints(name: str) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": name}
    metadata = {"name": f"{name}-1", "namespace": "ns", "labels": labels}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "endpoints": [{"addresses": ["10.0.0.9"], "conditions": {"ready": True}}],
    }


def router_pod() -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "tokenfleet", "tokenfleet.dev/router": "default"}
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T11:00:00Z"}
    metadata = {"name": "router-0", "namespace": "ns", "labels": labels}
    status = {"podIP": "10.0.0.1", "conditions": [ready]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


FLEET = (
    bare(managed_pool("large")),
    bare(pool("small")),
    service("small"),
    endpoints("large"),
    endpoints("small"),
    bare(router()),
    bare(route()),
    bare(slo()),
    router_pod(),
)


class Bench:
    def __init__(self) -> None:
        self.cluster, self.agents, self.clock = FakeCluster(), FakeAgents(), FakeClock()
        outside = Outside(cluster=self.cluster, agents=self.agents, clock=self.clock, measure=None)
        self.operator: Operator = assemble(OPTIONS, outside)
        self.store = self.operator.core.store

    def watch(self) -> None:
        """Deliver events as the API server does: at once, and to the store only."""

        def deliver(type_: str, body: dict[str, Any]) -> None:
            if body["kind"] in {resource.kind for resource in WATCHED}:
                if type_ == "DELETED":
                    self.store.remove(key_of(body))
                else:
                    self.store.put(body)

        self.cluster.watchers.append(deliver)

    async def settle(self) -> None:
        """Run visits until nothing waits, with agents that apply what they are given."""
        core = self.operator.core
        assert await core.elector._try()
        workers = [asyncio.create_task(self.operator.shell.visits.work()) for _ in range(4)]
        for _ in range(6):
            while len(core.queue) or core.queue.busy:
                await asyncio.sleep(0)
            self._acknowledge()
            self.clock.advance(seconds=31)
            for kind in ("ModelRouter", "TokenSLO"):
                for key in core.store.keys(kind):
                    core.queue.add(key)
        while len(core.queue) or core.queue.busy:
            await asyncio.sleep(0)
        for worker in workers:
            worker.cancel()

    def _acknowledge(self) -> None:
        router = self.cluster.objects.get(("ModelRouter", "ns", "default"), {})
        revision = router.get("status", {}).get("configRevision", 0)
        self.agents.acknowledgements["10.0.0.1:9091"] = Acknowledgement(
            pod="router-0", applied_revision=revision, version="0.1.0"
        )

    def status(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.objects[kind, "ns", name]["status"]
        return found

    def content(self) -> dict[Any, Any]:
        """Return everything that was written, without names that differ from run to run."""
        return {
            address: {
                key: value
                for key, value in body.items()
                if key in ("spec", "data", "rules", "subjects", "status")
            }
            for address, body in sorted(self.cluster.objects.items())
            if address[0] not in ("Event", "Lease")
        }


async def run(objects: Sequence[dict[str, Any]]) -> Bench:
    bench = Bench()
    bench.watch()
    for body in objects:
        bench.cluster.put(body)
    await bench.settle()
    return bench


async def test_a_fleet_becomes_ready_and_then_nothing_is_written() -> None:
    bench = await run(FLEET)

    assert conditions(bench.status("ModelRouter", "default"))["Ready"] == ("True", "Ready")
    assert conditions(bench.status("ModelRoute", "chat"))["Ready"] == ("True", "Ready")
    assert bench.status("ModelRoute", "chat")["traffic"] == "slow large 100%"
    assert ("Deployment", "ns", "large") in bench.cluster.objects
    assert ("ConfigMap", "ns", "default-config") in bench.cluster.objects

    bench.cluster.calls.clear()
    await bench.settle()

    assert [call for call in bench.cluster.calls if call[1] != "Lease"] == []


@pytest.mark.parametrize("seed", range(8))
async def test_any_order_of_events_ends_in_the_same_place(seed: int) -> None:
    shuffled = list(FLEET)
    random.Random(seed).shuffle(shuffled)
    expected = await run(FLEET)
    actual = await run(shuffled)

    assert _timeless(actual.content()) == _timeless(expected.content())


async def test_a_restarted_operator_changes_nothing() -> None:
    first = await run(FLEET)
    before = _timeless(first.content())
    second = Bench()
    second.cluster, second.agents = first.cluster, first.agents
    outside = Outside(cluster=first.cluster, agents=first.agents, clock=first.clock, measure=None)
    second.clock = first.clock
    second.operator = assemble(OPTIONS, outside)
    second.store = second.operator.core.store
    first.cluster.watchers.clear()
    await first.operator.core.elector.release()
    second.watch()
    for body in list(first.cluster.objects.values()):
        if body["kind"] in {resource.kind for resource in WATCHED}:
            second.store.put(body)
    first.cluster.calls.clear()
    await second.settle()

    assert _timeless(second.content()) == before
    written = {(verb, kind) for verb, kind, _ in first.cluster.calls if kind != "Lease"}
    assert {verb for verb, _ in written} == {"apply"}, "children are confirmed once, nothing else"


async def test_a_pool_that_is_deleted_shows_in_the_route() -> None:
    bench = await run(FLEET)
    stored = bench.cluster.objects.pop(("ServingPool", "ns", "small"))
    bench.store.remove(key_of(stored))
    await bench.settle()

    found = conditions(bench.status("ModelRoute", "chat"))
    assert found["ResolvedRefs"] == ("False", "PoolNotFound")


def _timeless(content: Any) -> Any:
    """Drop times and uids, which are not decided by what is there."""
    if isinstance(content, dict):
        return {
            key: _timeless(value)
            for key, value in content.items()
            if key not in ("lastTransitionTime", "uid")
        }
    if isinstance(content, list):
        return [_timeless(item) for item in content]
    return content
