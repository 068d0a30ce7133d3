"""The applier writes what changes something, only to what is ours, only while leading."""

from typing import Any

import pytest

from tests.support.fake_cluster import FakeCluster, Fault
from tests.support.fakes import CountingTelemetry, FakeClock
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.plan import Deletion, Plan
from tokenfleet.ports import ConflictError, PortError, RefusedError
from tokenfleet.reconcilers.applier import Applier, NotLeaderError, UnsettledError
from tokenfleet.reconcilers.optional_kinds import OptionalKinds
from tokenfleet.reconcilers.store import Store


class Bench:
    def __init__(self) -> None:
        self.cluster, self.clock = FakeCluster(), FakeClock()
        self.woken: list[ObjectKey] = []
        self.store = Store(self.woken.append)
        self.leads = True
        self.applier = Applier(
            self.cluster,
            self.store,
            telemetry=CountingTelemetry(),
            may_write=lambda: self.leads,
            clock=self.clock,
            optional=OptionalKinds(self.cluster, self.store, self.woken.append),
        )
        self.owner = self.user_creates("ServingPool", "large", spec={"replicas": 1})

    def user_creates(self, kind: str, name: str, **fields: Any) -> dict[str, Any]:
        api = "tokenfleet.dev/v1alpha1" if kind == "ServingPool" else "v1"
        metadata = {"name": name, "namespace": "ns", **fields.pop("metadata", {})}
        body = {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}
        stored = self.cluster.put(body)
        self.store.put(stored)
        return stored

    async def apply(self, *bodies: dict[str, Any]) -> list[Any]:
        return await self.applier.apply_children(Plan(applies=bodies), owner=self.owner)


def deployment(replicas: int = 1) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "large", "namespace": "ns"},
        "spec": {"replicas": replicas},
    }


def config_map() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "ns"}}


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_child_gets_our_label_and_its_owner(bench: Bench) -> None:
    await bench.apply(deployment())

    metadata = bench.cluster.objects["Deployment", "ns", "large"]["metadata"]
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "tokenfleet"
    assert metadata["ownerReferences"][0]["uid"] == bench.owner["metadata"]["uid"]
    assert metadata["ownerReferences"][0]["controller"] is True


async def test_the_same_child_again_is_no_call(bench: Bench) -> None:
    await bench.apply(deployment())
    await bench.apply(deployment())

    assert bench.cluster.writes("Deployment") == [("apply", "large")]


async def test_a_child_whose_status_changes_costs_no_call(bench: Bench) -> None:
    await bench.apply(deployment())
    for ready in range(3):
        stored = bench.cluster.objects["Deployment", "ns", "large"]
        bench.store.put(bench.cluster.put({**stored, "status": {"readyReplicas": ready}}))
        await bench.apply(deployment())

    assert bench.cluster.writes("Deployment") == [("apply", "large")]


async def test_a_child_of_which_others_change_what_is_theirs_costs_no_call(bench: Bench) -> None:
    """An annotation by `kubectl rollout restart`, a replica count that an autoscaler owns."""
    await bench.apply(deployment())
    stored = bench.cluster.objects["Deployment", "ns", "large"]
    spec = {**stored["spec"], "paused": True}
    bench.store.put(bench.cluster.put({**stored, "spec": spec}))
    await bench.apply(deployment())

    assert bench.cluster.writes("Deployment") == [("apply", "large")]
    assert bench.cluster.objects["Deployment", "ns", "large"]["spec"] == spec


async def test_a_child_that_was_made_anew_by_somebody_is_applied_again(bench: Bench) -> None:
    await bench.apply(deployment(replicas=2))
    stored = bench.cluster.objects.pop(("Deployment", "ns", "large"))
    metadata = {k: v for k, v in stored["metadata"].items() if k != "uid"}
    bench.store.put(bench.cluster.put({**stored, "metadata": metadata}))
    await bench.apply(deployment(replicas=2))

    assert bench.cluster.writes("Deployment") == [("apply", "large")] * 2


async def test_a_child_that_somebody_changed_is_applied_again(bench: Bench) -> None:
    await bench.apply(deployment(replicas=2))
    stored = bench.cluster.objects["Deployment", "ns", "large"]
    bench.store.put(bench.cluster.put({**stored, "spec": {"replicas": 9}}))
    await bench.apply(deployment(replicas=2))

    assert bench.cluster.objects["Deployment", "ns", "large"]["spec"] == {"replicas": 2}


async def test_a_child_that_is_wanted_again_was_taken_away_by_nobody_else(bench: Bench) -> None:
    """A budget for disruptions that is switched on and off and on."""
    for _ in range(4):
        assert await bench.apply(deployment(), config_map()) == []
        (child,) = (body for key, body in bench.cluster.objects.items() if key[0] == "ConfigMap")
        gone = Deletion(key=key_of(child), uid=child["metadata"]["uid"])
        plan = Plan(applies=(deployment(),), deletes=(gone,))
        assert await bench.applier.apply_children(plan, owner=bench.owner) == []
        bench.store.remove(gone.key)

    assert bench.cluster.writes("ConfigMap") == [("apply", "c"), ("delete", "c")] * 4


async def test_a_child_that_somebody_else_takes_away_is_contested(bench: Bench) -> None:
    told = []
    for _ in range(4):
        told += await bench.apply(config_map())
        bench.cluster.objects.pop(("ConfigMap", "ns", "c"), None)
        bench.store.remove(ObjectKey("ConfigMap", "ns", "c"))
        bench.clock.advance(seconds=30)

    assert "somebody deletes it" in str(told[-1])


async def test_of_an_object_that_is_gone_nothing_is_remembered(bench: Bench) -> None:
    await bench.apply(deployment(), config_map())
    await bench.applier.write_status(bench.owner, {"replicas": 1})
    bench.applier.forget(key_of(bench.owner))

    assert bench.applier._written == {}


async def test_an_object_of_somebody_else_is_never_touched(bench: Bench) -> None:
    bench.cluster.put({**deployment(7), "metadata": {"name": "large", "namespace": "ns"}})

    (failure,) = await bench.apply(deployment())

    assert failure.refused
    assert "belongs to somebody else" in str(failure)
    assert bench.cluster.objects["Deployment", "ns", "large"]["spec"] == {"replicas": 7}


async def test_children_of_a_deleted_namesake_are_taken_over(bench: Bench) -> None:
    await bench.apply(deployment())
    again = {**bench.owner, "metadata": {**bench.owner["metadata"], "uid": "new"}}

    await bench.applier.apply_children(Plan(applies=(deployment(),)), owner=again)

    owners = bench.cluster.objects["Deployment", "ns", "large"]["metadata"]["ownerReferences"]
    assert [owner["uid"] for owner in owners] == ["new"]


async def test_one_refused_child_does_not_stop_the_others(bench: Bench) -> None:
    bench.cluster.refuse = lambda _, body: (
        "quota exceeded" if body["kind"] == "Deployment" else None
    )
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "large"}, "spec": {}}

    failures = await bench.apply(deployment(), service)

    assert [str(failure) for failure in failures] == ["Deployment ns/large: quota exceeded"]
    assert ("Service", "ns", "large") in bench.cluster.objects


async def test_one_child_that_fails_does_not_stop_the_others(bench: Bench) -> None:
    """A webhook that is down fails every apply of one kind, and deletions too."""
    old = bench.user_creates("ConfigMap", "old")
    bench.cluster.fault = lambda verb, body: (
        Fault(PortError("failed calling webhook"))
        if body["kind"] == "Deployment" or verb == "delete"
        else None
    )
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "large"}, "spec": {}}
    gone = Deletion(key=key_of(old), uid=old["metadata"]["uid"])

    failures = await bench.applier.apply_children(
        Plan(applies=(deployment(), service), deletes=(gone, gone)), owner=bench.owner
    )

    assert [failure.child.kind for failure in failures] == ["Deployment", "ConfigMap", "ConfigMap"]
    assert not any(failure.refused for failure in failures)
    assert ("Service", "ns", "large") in bench.cluster.objects


@pytest.mark.parametrize("acted", [True, False])
async def test_a_replace_without_an_answer_is_looked_up(bench: Bench, acted: bool) -> None:  # noqa: FBT001
    wanted = {**config_map(), "data": {"a": "b"}}
    bench.cluster.fault = lambda *_: Fault(PortError("no answer"), acted=acted)

    if acted:
        stored = await bench.applier.replace(wanted, owner=bench.owner)
        assert stored["data"] == {"a": "b"}
        return
    with pytest.raises(PortError, match="no answer"):
        await bench.applier.replace(wanted, owner=bench.owner)


async def test_what_still_belongs_to_a_namesake_that_is_gone_is_not_taken_for_written(
    bench: Bench,
) -> None:
    """Equal data are not enough: the garbage collector takes what has a dead owner."""
    wanted = {**config_map(), "data": {"a": "b"}}
    stored = await bench.applier.replace(wanted, owner=bench.owner)
    again = {**bench.owner, "metadata": {**bench.owner["metadata"], "uid": "new"}}
    bench.cluster.fault = lambda *_: Fault(PortError("no answer"), acted=False)

    with pytest.raises(PortError, match="no answer"):
        await bench.applier.replace(stored, owner=again)


async def test_a_replace_that_cannot_be_looked_up_is_unsettled(bench: Bench) -> None:
    def fail(*_: Any) -> Fault:
        bench.cluster.outage = True
        return Fault(PortError("no answer"), acted=True)

    bench.cluster.fault = fail

    with pytest.raises(UnsettledError, match="nobody can say"):
        await bench.applier.replace(config_map(), owner=bench.owner)


async def test_status_is_written_once_and_leaves_the_spec_alone(bench: Bench) -> None:
    assert await bench.applier.write_status(bench.owner, {"replicas": 1})
    owner = bench.store.get(ObjectKey("ServingPool", "ns", "large"))
    assert owner is not None

    assert not await bench.applier.write_status(owner, {"replicas": 1})
    assert owner["spec"] == {"replicas": 1}
    assert owner["metadata"]["generation"] == 1
    assert bench.cluster.writes("ServingPool") == [("status", "large")]


async def test_foreign_conditions_in_a_status_cost_one_call_and_not_one_per_visit(
    bench: Bench,
) -> None:
    await bench.applier.write_status(bench.owner, {"replicas": 1})
    stored = bench.cluster.objects["ServingPool", "ns", "large"]
    bench.store.put(bench.cluster.put({**stored, "status": {**stored["status"], "theirs": "kept"}}))
    for _ in range(3):
        owner = bench.store.get(ObjectKey("ServingPool", "ns", "large"))
        assert owner is not None
        await bench.applier.write_status(owner, {"replicas": 1})

    assert len(bench.cluster.writes("ServingPool")) == 2
    status = bench.cluster.objects["ServingPool", "ns", "large"]["status"]
    assert status == {"replicas": 1, "theirs": "kept"}


async def test_a_status_that_was_planned_for_an_older_copy_is_not_written(bench: Bench) -> None:
    stale = {**bench.owner, "metadata": {**bench.owner["metadata"], "resourceVersion": "1"}}

    with pytest.raises(ConflictError):
        await bench.applier.write_status(stale, {"replicas": 1})

    assert "status" not in bench.cluster.objects["ServingPool", "ns", "large"]


async def test_our_own_writes_do_not_wake_us(bench: Bench) -> None:
    bench.woken.clear()
    await bench.apply(deployment())
    await bench.applier.write_status(bench.owner, {"replicas": 1})

    assert bench.woken == []


async def test_a_stale_replace_conflicts_and_the_store_learns_the_newer_copy(bench: Bench) -> None:
    labels = {"app.kubernetes.io/managed-by": "tokenfleet"}
    seen = bench.user_creates("ConfigMap", "c", data={"config": "1"}, metadata={"labels": labels})
    bench.cluster.put({**seen, "data": {"config": "2"}})
    mine = {**seen, "data": {"config": "mine"}}

    with pytest.raises(ConflictError):
        await bench.applier.replace(mine, owner=bench.owner)

    stored = bench.store.get(ObjectKey("ConfigMap", "ns", "c"))
    assert stored is not None
    assert stored["data"] == {"config": "2"}


async def test_a_foreign_object_is_not_replaced(bench: Bench) -> None:
    foreign = bench.user_creates("ConfigMap", "c", data={})

    with pytest.raises(RefusedError, match="belongs to somebody else"):
        await bench.applier.replace({**foreign, "data": {"a": "b"}}, owner=bench.owner)


@pytest.mark.parametrize("what", ["child", "status", "replace"])
async def test_nothing_is_written_without_the_lease(bench: Bench, what: str) -> None:
    """A leader that was paused past its lease wakes up in the middle of a visit."""
    bench.leads = False
    writes = {
        "child": lambda: bench.apply(deployment()),
        "status": lambda: bench.applier.write_status(bench.owner, {"replicas": 1}),
        "replace": lambda: bench.applier.replace(config_map(), owner=bench.owner),
    }

    with pytest.raises(NotLeaderError):
        await writes[what]()

    assert bench.cluster.calls == []
