"""The whole operator over fakes, and a small fleet for it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import FakeAgents, FakeClock
from tests.support.options import OPTIONS
from tests.unit.domain.fleet.builders import managed_pool, pool, route, router, slo
from tokenfleet.cli.wiring import Operator, Outside, assemble
from tokenfleet.domain.fleet import router_config
from tokenfleet.domain.fleet.keys import VISITED, key_of
from tokenfleet.domain.fleet.router_config import Held
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
        self._start()

    def _start(self) -> None:
        outside = Outside(cluster=self.cluster, agents=self.agents, clock=self.clock, measure=None)
        self.operator: Operator = assemble(OPTIONS, outside)
        self.store = self.operator.core.store

    async def restart(self) -> None:
        """Go on with another process, which knows what the API server holds and nothing else."""
        await self.operator.core.elector.release()
        self._start()
        for body in list(self.cluster.objects.values()):
            if body["kind"] in {resource.kind for resource in WATCHED}:
                self.store.put(body)

    def watch(self) -> None:
        """Deliver events as the API server does: at once, and to the store only."""

        def deliver(type_: str, body: dict[str, Any]) -> None:
            if body["kind"] in {resource.kind for resource in WATCHED}:
                if type_ == "DELETED":
                    self.store.remove(key_of(body))
                else:
                    self.store.put(body)

        self.cluster.watchers.append(deliver)

    async def settle(self, rounds: int = 6) -> None:
        """Run visits until nothing waits, with agents that apply what they are given."""
        core = self.operator.core
        assert await core.elector._try()
        workers = [asyncio.create_task(self.operator.shell.visits.work()) for _ in range(4)]
        for _ in range(rounds):
            while len(core.queue) or core.queue.busy:
                await asyncio.sleep(0)
            self._acknowledge()
            self.clock.advance(seconds=31)
            for kind in VISITED:
                for key in core.store.keys(kind):
                    core.queue.add(key)
        while len(core.queue) or core.queue.busy:
            await asyncio.sleep(0)
        for worker in workers:
            worker.cancel()

    def _acknowledge(self) -> None:
        revision = self.held().revision
        self.agents.acknowledgements["10.0.0.1:9091"] = Acknowledgement(
            pod="router-0", applied_revision=revision, version="0.1.0"
        )

    def held(self) -> Held:
        """Return what `<router>-config` holds."""
        stored = self.cluster.objects.get(("ConfigMap", "ns", "default-config"))
        return router_config.read(stored["data"]) if stored else Held()

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
