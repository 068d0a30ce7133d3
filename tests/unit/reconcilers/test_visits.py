"""The loop around the visits: order of writes, failures of one key, and what is told."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import CountingTelemetry, FakeClock
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.plan import EventNote, Plan
from tokenfleet.ports import Body, PortError
from tokenfleet.reconcilers.applier import Applier
from tokenfleet.reconcilers.events import Recorder
from tokenfleet.reconcilers.queue import Queue
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.visits import REFUSED_RETRY, Visits

READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Ready",
    "message": "",
    "observedGeneration": 1,
}
STATUS = {"conditions": [READY, {**READY, "type": "Accepted", "reason": "Accepted"}]}


class Scripted:
    """A visitor that plans what the test says."""

    def __init__(self) -> None:
        self.next: Plan | Exception = Plan()
        self.seen: list[str] = []

    async def plan(self, owner: Body) -> Plan:
        self.seen.append(f"plan {owner['metadata']['name']}")
        if isinstance(self.next, Exception):
            raise self.next
        return self.next

    async def applied(self, owner: Body, plan: Plan) -> None:
        self.seen.append("applied")

    async def gone(self, key: ObjectKey) -> None:
        self.seen.append(f"gone {key.name}")


class Bench:
    def __init__(self) -> None:
        self.cluster, self.clock, self.visitor = FakeCluster(), FakeClock(), Scripted()
        self.queue: Queue[ObjectKey] = Queue()
        self.store = Store(self.queue.add)
        self.telemetry = CountingTelemetry()
        self.visits = Visits(
            queue=self.queue,
            store=self.store,
            visitors={"ServingPool": self.visitor},
            applier=Applier(
                self.cluster, self.store, telemetry=self.telemetry, may_write=lambda: True
            ),
            recorder=Recorder(self.cluster, self.clock, instance="i", telemetry=self.telemetry),
            clock=self.clock,
            telemetry=self.telemetry,
        )
        body = {
            "apiVersion": "tokenfleet.dev/v1alpha1",
            "kind": "ServingPool",
            "metadata": {"name": "large", "namespace": "ns"},
            "spec": {},
        }
        self.body = self.cluster.put(body)
        self.store.put(self.body)
        self.key = key_of(self.body)

    async def visit(self, plan: Plan | Exception) -> timedelta | None:
        self.visitor.next = plan
        return await self.visits.visit(self.key)

    def status(self) -> dict[str, Any]:
        return self.cluster.objects["ServingPool", "ns", "large"].get("status", {})

    def told(self) -> list[str]:
        events = [b for (kind, _, _), b in self.cluster.objects.items() if kind == "Event"]
        return sorted(event["reason"] for event in events)


@pytest.fixture
async def bench() -> Bench:
    return Bench()


def config(**data: str) -> dict[str, Any]:
    metadata = {"name": "c", "namespace": "ns"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


NOTE = EventNote(type="Normal", reason="Shifted", action="SetShares", note="n")


async def test_a_plan_is_carried_out_in_order(bench: Bench) -> None:
    child = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}

    again = await bench.visit(
        Plan(
            replace=config(a="b"),
            applies=(child,),
            status=STATUS,
            events=(NOTE,),
            requeue_after=timedelta(seconds=9),
        )
    )

    assert again == timedelta(seconds=9)
    assert [(verb, kind) for verb, kind, _ in bench.cluster.calls] == [
        ("replace", "ConfigMap"),
        ("apply", "Service"),
        ("status", "ServingPool"),
        ("apply", "Event"),
    ]
    assert bench.visitor.seen == ["plan large", "applied"]


async def test_a_refused_child_shows_in_status_and_is_tried_again(bench: Bench) -> None:
    bench.cluster.refuse = lambda _, body: "quota" if body["kind"] == "Service" else None
    child = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}

    again = await bench.visit(Plan(applies=(child,), status=STATUS))

    assert again == REFUSED_RETRY
    words = {c["type"]: (c["status"], c["reason"]) for c in bench.status()["conditions"]}
    assert words["Ready"] == ("False", "ChildRefused")


async def test_what_was_refused_is_not_told_as_done(bench: Bench) -> None:
    """A namespace that is being deleted refuses every new object."""
    bench.cluster.refuse = lambda _, body: "terminating" if body["kind"] == "ConfigMap" else None

    await bench.visit(Plan(replace=config(a="b"), status=STATUS, events=(NOTE,)))

    assert bench.told() == ["ChildRefused"]


async def test_an_object_that_is_gone_or_going_is_not_planned(bench: Bench) -> None:
    going = {**bench.body["metadata"], "deletionTimestamp": "x", "resourceVersion": "9999"}
    bench.store.put({**bench.body, "metadata": going})
    await bench.visit(Plan(status=STATUS))
    bench.store.remove(bench.key)
    await bench.visit(Plan(status=STATUS))

    assert bench.visitor.seen == ["gone large"]
    assert bench.status() == {}


@pytest.mark.parametrize(
    ("failure", "result"),
    [
        pytest.param(PortError("down"), "error", id="outage"),
        pytest.param(ValueError("a defect"), "error", id="defect in a plan"),
    ],
)
async def test_a_failing_key_is_retried_and_stops_nobody(
    bench: Bench, failure: Exception, result: str
) -> None:
    bench.visitor.next = failure
    timer = asyncio.create_task(bench.queue.run_timer())
    worker = asyncio.create_task(bench.visits.work())
    await asyncio.sleep(0.12)
    bench.visitor.next = Plan(status=STATUS)
    await asyncio.sleep(0.5)
    bench.queue.shut_down()
    await asyncio.wait_for(worker, 1)
    timer.cancel()

    assert bench.telemetry.counts["visited", "servingpool", result] >= 1
    assert bench.telemetry.counts["visited", "servingpool", "success"] >= 1
    assert bench.status() == STATUS
