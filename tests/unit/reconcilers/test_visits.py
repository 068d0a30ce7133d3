"""The loop around the visits: order of writes, failures of one key, and what is told."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.fake_cluster import FakeCluster, Fault
from tests.support.fakes import CountingTelemetry, FakeClock
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.plan import EventNote, Plan
from tokenfleet.ports import Body, PortError
from tokenfleet.reconcilers import visits
from tokenfleet.reconcilers.applier import Applier
from tokenfleet.reconcilers.events import Recorder
from tokenfleet.reconcilers.leases import Leases
from tokenfleet.reconcilers.marks import Marks
from tokenfleet.reconcilers.optional_kinds import OptionalKinds
from tokenfleet.reconcilers.queue import Queue
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.visits import REFUSED_RETRY, Done, Visits

READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Ready",
    "message": "",
    "observedGeneration": 1,
}
ME = "system/one"
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

    async def applied(self, owner: Body, plan: Plan, done: Done) -> None:
        self.seen.append("applied")
        self.done = done

    async def gone(self, key: ObjectKey) -> None:
        self.seen.append(f"gone {key.name}")


class Bench:
    def __init__(self) -> None:
        self.cluster, self.clock, self.visitor = FakeCluster(), FakeClock(), Scripted()
        self.queue: Queue[ObjectKey] = Queue()
        self.store = Store(self.queue.add)
        self.telemetry = CountingTelemetry()
        applier = Applier(
            self.cluster,
            self.store,
            telemetry=self.telemetry,
            may_write=lambda: True,
            clock=self.clock,
            optional=OptionalKinds(self.cluster, self.store, self.queue.add),
        )
        recorder = Recorder(self.cluster, self.clock, instance="i", telemetry=self.telemetry)
        self.visits = Visits(
            queue=self.queue,
            store=self.store,
            visitors={"ServingPool": self.visitor},
            applier=applier,
            recorder=recorder,
            marks=Marks(
                me=ME,
                store=self.store,
                applier=applier,
                recorder=recorder,
                leases=Leases(self.cluster, self.clock),
            ),
            clock=self.clock,
            telemetry=self.telemetry,
        )
        body = {
            "apiVersion": "tokenfleet.dev/v1alpha1",
            "kind": "ServingPool",
            "metadata": {"name": "large", "namespace": "ns"},
            "spec": {},
            "status": {"operator": ME},
        }
        self.body = self.cluster.put(body)
        self.store.put(self.body)
        self.key = key_of(self.body)

    async def visit(self, plan: Plan | Exception) -> timedelta | None:
        self.visitor.next = plan
        return await self.visits.visit(self.key)

    def status(self) -> dict[str, Any]:
        """Return the status, but for the mark."""
        found = dict(self.cluster.objects["ServingPool", "ns", "large"].get("status", {}))
        assert found.pop("operator") == ME
        return found

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
            unstored=lambda _: Plan(),
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


async def test_definitions_that_do_not_know_the_mark_cost_the_status_alone(bench: Bench) -> None:
    """The API server answers 500 to a field of the status that is not in its schema."""
    unknown = PortError("failed to create typed patch object: .status.operator: field not declared")
    bench.cluster.fault = lambda verb, _: Fault(unknown) if verb == "status" else None
    bench.store.put(bench.cluster.put({**bench.body, "status": {}}))
    child = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}

    with pytest.raises(PortError, match="not declared"):
        await bench.visit(Plan(applies=(child,), status=STATUS))

    assert bench.cluster.writes("Service") == [("apply", "s")]


async def test_a_refused_child_shows_in_status_and_is_tried_again(bench: Bench) -> None:
    bench.cluster.refuse = lambda _, body: "quota" if body["kind"] == "Service" else None
    child = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}

    again = await bench.visit(Plan(applies=(child,), status=STATUS))

    assert again == REFUSED_RETRY
    words = {c["type"]: (c["status"], c["reason"]) for c in bench.status()["conditions"]}
    assert words["Ready"] == ("False", "ChildRefused")


async def test_two_writers_of_one_field_do_not_drown_the_api_server(bench: Bench) -> None:
    """The other one answers every apply of ours at once, for half an hour."""

    def answer(_: str, body: dict[str, Any]) -> None:
        if body["kind"] == "Deployment":
            if body["spec"] == {"replicas": 2}:
                body = bench.cluster.put({**body, "spec": {"replicas": 9}}, manager="other")
            bench.store.put(body)

    child = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"replicas": 2},
    }
    bench.cluster.watchers.append(answer)
    progressing = {**READY, "type": "Progressing", "reason": "UpToDate"}
    plan = Plan(applies=(child,), status={"conditions": [READY, progressing]})
    for _ in range(1800):
        bench.store.put(bench.cluster.objects["ServingPool", "ns", "large"])
        again = await bench.visit(plan)
        bench.clock.advance(seconds=1)

    assert len(bench.cluster.writes("Deployment")) <= 10
    assert again is not None
    assert again <= timedelta(minutes=5)
    words = {c["type"]: (c["status"], c["reason"]) for c in bench.status()["conditions"]}
    assert words == {"Ready": ("True", "Ready"), "Progressing": ("False", "FieldConflict")}
    said = next(c for c in bench.status()["conditions"] if c["type"] == "Progressing")["message"]
    assert "Deployment ns/d: other changes spec.replicas" in said
    assert set(bench.told()) == {"FieldConflict"}

    bench.cluster.watchers.clear()
    for _ in range(120):
        bench.store.put(bench.cluster.objects["Deployment", "ns", "d"])
        bench.store.put(bench.cluster.objects["ServingPool", "ns", "large"])
        await bench.visit(plan)
        bench.clock.advance(seconds=15)

    assert bench.cluster.objects["Deployment", "ns", "d"]["spec"] == {"replicas": 2}
    assert bench.status() == plan.status, "when nobody changes it any more, nothing is said of it"


async def test_what_was_refused_is_not_told_as_done(bench: Bench) -> None:
    """A namespace that is being deleted refuses every new object."""
    bench.cluster.refuse = lambda _, body: "terminating" if body["kind"] == "ConfigMap" else None

    def standing(error: Exception) -> Plan:
        word = {**READY, "status": "False", "reason": "ConfigRefused", "message": str(error)}
        return Plan(status={"conditions": [word]})

    again = await bench.visit(
        Plan(replace=config(a="b"), unstored=standing, status=STATUS, events=(NOTE,))
    )

    assert again == REFUSED_RETRY
    assert bench.told() == ["ConfigRefused"]
    assert bench.status()["conditions"][0]["message"] == "terminating"


async def test_what_nobody_knows_to_be_stored_is_neither_told_nor_written_to_status(
    bench: Bench,
) -> None:
    def fail(_: str, body: Body) -> Fault | None:
        if body["kind"] != "ConfigMap":
            return None
        bench.cluster.outage = True
        return Fault(PortError("no answer"), acted=True)

    bench.cluster.fault = fail
    plan = Plan(replace=config(a="b"), unstored=lambda _: Plan(), status=STATUS, events=(NOTE,))

    with pytest.raises(PortError, match="nobody can say"):
        await bench.visit(plan)

    assert bench.status() == {}
    assert bench.visitor.seen == ["plan large"]


async def test_what_fails_is_raised_last_and_altogether(bench: Bench) -> None:
    """Every write is tried: the decision is told although the children cannot be written."""
    bench.cluster.fault = lambda verb, body: (
        Fault(PortError(f"{body['kind']} failed", retry_after=timedelta(seconds=7)))
        if verb == "status" or body["kind"] in {"Service", "PodDisruptionBudget"}
        else None
    )
    children = tuple(
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": "s"}}
        for kind in ("Service", "PodDisruptionBudget", "ConfigMap")
    )

    with pytest.raises(
        PortError, match="Service failed; PodDisruptionBudget failed; ServingPool failed"
    ):
        await bench.visit(
            Plan(
                replace=config(a="b"),
                unstored=lambda _: Plan(),
                applies=children,
                status=STATUS,
                events=(NOTE,),
            )
        )

    assert ("ConfigMap", "ns", "s") in bench.cluster.objects
    assert bench.told() == ["Shifted"]
    assert bench.visitor.done == Done(status=False, told=frozenset({""}))


async def test_a_summary_is_told_once_before_it_is_stored_whatever_becomes_of_that(
    bench: Bench,
) -> None:
    await bench.visit(Plan(status=STATUS))
    down = {"conditions": [{**READY, "status": "False", "reason": "NoReadyReplica"}]}
    bench.cluster.fault = lambda verb, _: (
        Fault(PortError("no answer"), acted=True) if verb == "status" else None
    )
    with pytest.raises(PortError):
        await bench.visit(Plan(status=down))
    assert bench.told() == ["NoReadyReplica"]

    bench.store.put(bench.cluster.objects["ServingPool", "ns", "large"])
    await bench.visit(Plan(status=down))
    await bench.visit(Plan(status=down))

    assert bench.told() == ["NoReadyReplica"]


async def test_an_object_that_is_gone_or_going_is_not_planned(bench: Bench) -> None:
    going = {**bench.body["metadata"], "deletionTimestamp": "x", "resourceVersion": "9999"}
    bench.store.put({**bench.body, "metadata": going})
    await bench.visit(Plan(status=STATUS))
    bench.store.remove(bench.key)
    await bench.visit(Plan(status=STATUS))

    assert bench.visitor.seen == ["gone large"]
    assert bench.status() == {}


async def counted(bench: Bench, result: str) -> None:
    """Wait until a visit has ended so."""
    async with asyncio.timeout(60):
        while not bench.telemetry.counts["visited", "servingpool", result]:
            await asyncio.sleep(0.01)


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
    await counted(bench, result)
    bench.visitor.next = Plan(status=STATUS)
    await counted(bench, "success")
    bench.queue.shut_down()
    await asyncio.wait_for(worker, 60)
    timer.cancel()

    assert bench.status() == STATUS


async def test_a_visit_that_hangs_gives_its_worker_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One pod or one call that never answers must not cost a worker for ever."""
    monkeypatch.setattr(visits, "LONGEST_VISIT", 0.05)

    async def hang(_: Body) -> Plan:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(bench.visitor, "plan", hang)
    bench.queue.add(bench.key)
    worker = asyncio.create_task(bench.visits.work())
    async with asyncio.timeout(60):
        while not bench.telemetry.counts["visited", "servingpool", "error"]:
            await asyncio.sleep(0.01)
    bench.queue.shut_down()
    await worker

    assert bench.queue.busy == 0


async def test_a_visit_does_not_tell_for_long(bench: Bench) -> None:
    """What was told is noted at its end; hundreds of slow calls would end in its time limit."""
    notes = tuple(replace(NOTE, id=str(number), note=str(number)) for number in range(40))
    bench.queue.done(await bench.queue.get() or bench.key)

    await bench.visit(Plan(status=STATUS, events=notes))

    assert bench.told().count(NOTE.reason) == visits.TOLD_AT_ONCE
    assert bench.queue.waiting() == (bench.key,), "the rest is told by the next visit"


async def test_telling_that_fails_is_not_tried_without_a_pause(bench: Bench) -> None:
    notes = tuple(replace(NOTE, id=str(number), note=str(number)) for number in range(40))
    bench.queue.done(await bench.queue.get() or bench.key)
    bench.cluster.fault = lambda _, body: (
        Fault(PortError("slow")) if body["kind"] == "Event" else None
    )

    with pytest.raises(PortError):
        await bench.visit(Plan(status=STATUS, events=notes))

    assert bench.queue.waiting() == ()
