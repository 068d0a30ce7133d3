"""The whole operator over fakes, and a small fleet for it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import FakeAgents, FakeClock
from tests.support.options import OPTIONS
from tests.unit.domain.fleet.builders import (
    managed_pool,
    pool,
    route,
    router,
    router_pods,
    service,
    slices,
    slo,
)
from tokenfleet.cli.wiring import Operator, Options, Outside, assemble
from tokenfleet.domain.fleet import router_config
from tokenfleet.domain.fleet.keys import VISITED, key_of
from tokenfleet.domain.fleet.router_config import Held, UnreadableConfigError
from tokenfleet.ports import Acknowledgement
from tokenfleet.reconcilers.resources import OPTIONAL


def bare(body: dict[str, Any]) -> dict[str, Any]:
    """Return an object as a user applies it."""
    names = {key: body["metadata"][key] for key in ("name", "namespace")}
    labels = body["metadata"].get("labels")
    return {**body, "metadata": {**names, **({"labels": labels} if labels else {})}}


def labelled(slices: dict[str, Any]) -> dict[str, Any]:
    """Return slices that are nobody's yet."""
    found = bare(slices)
    return {**found, "metadata": {**found["metadata"], "name": f"{found['metadata']['name']}-1"}}


FLEET = (
    bare(managed_pool("large")),
    bare(pool("small")),
    bare(service("small")),
    *map(labelled, slices("large", 1, port="http")),
    *map(labelled, slices("small", 1)),
    bare(router()),
    bare(route()),
    bare(slo()),
)


class Bench:
    def __init__(self, *, beside: "Bench | None" = None, options: Options = OPTIONS) -> None:
        """Start an operator, on a cluster of its own or on that of another one."""
        self.options = options
        self.cluster = beside.cluster if beside else FakeCluster()
        self.agents = beside.agents if beside else FakeAgents()
        self.clock = beside.clock if beside else FakeClock()
        self._start()

    def _start(self) -> None:
        outside = Outside(cluster=self.cluster, agents=self.agents, clock=self.clock, measure=None)
        self.operator: Operator = assemble(self.options, outside)
        self.store = self.operator.core.store

    async def restart(self) -> None:
        """Go on with another process, which knows what the API server holds and nothing else."""
        await self.operator.core.elector.release()
        self._start()
        self.look()

    def look(self) -> None:
        """Take in everything that is there."""
        for body in list(self.cluster.objects.values()):
            if body["kind"] in self._watched():
                self.store.put(body)

    def _watched(self) -> set[str]:
        core = self.operator.core
        return {resource.kind for resource in core.optional.served({**core.watched, **OPTIONAL})}

    def watch(self) -> None:
        """Deliver events as the API server does: at once, and to the store only."""

        def deliver(type_: str, body: dict[str, Any]) -> None:
            if body["kind"] in self._watched():
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
            self._control()
            self._acknowledge()
            self.clock.advance(seconds=31)
            for kind in VISITED:
                for key in core.store.keys(kind):
                    core.queue.add(key)
        while len(core.queue) or core.queue.busy:
            await asyncio.sleep(0)
        for worker in workers:
            worker.cancel()

    def _control(self) -> None:
        """Do what the cluster's own controllers do: slices get their owner, Deployments pods."""
        for (kind, namespace, _), body in list(self.cluster.objects.items()):
            name = body["metadata"].get("labels", {}).get("kubernetes.io/service-name")
            owner = self.cluster.objects.get(("Service", namespace, name or ""))
            if kind == "EndpointSlice" and owner is not None:
                owners = [{"kind": "Service", "uid": owner["metadata"]["uid"]}]
                self.cluster.put(
                    {**body, "metadata": {**body["metadata"], "ownerReferences": owners}}
                )
        if ("Deployment", "ns", "default-router") in self.cluster.objects:
            deployment = self.cluster.objects["Deployment", "ns", "default-router"]
            _, replica_set, pod = router_pods(self.cluster.objects["ModelRouter", "ns", "default"])
            owner = replica_set["metadata"]["ownerReferences"][0]
            owner["uid"] = deployment["metadata"]["uid"]
            self.cluster.put(replica_set)
            self.cluster.put(pod)

    def _acknowledge(self) -> None:
        try:
            revision = self.held().revision
        except UnreadableConfigError:
            return  # what an agent runs stays as it is
        self.agents.acknowledgements["10.0.0.1:9091"] = Acknowledgement(
            pod="default-router-0", applied_revision=revision, version="0.1.0"
        )

    def held(self) -> Held:
        """Return what `<router>-config` holds."""
        stored = self.cluster.objects.get(("ConfigMap", "ns", "default-config"))
        return router_config.read(stored.get("data", {})) if stored else Held()

    def status(self, kind: str, name: str, *, namespace: str = "ns") -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.objects[kind, namespace, name]["status"]
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
