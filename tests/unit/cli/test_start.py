"""The way of a process to leadership: what it waits for, and what it does not wait for."""

import asyncio
from dataclasses import replace
from typing import Any

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import FakeAgents, FakeClock
from tests.support.options import OPTIONS
from tokenfleet.cli import operate
from tokenfleet.cli.wiring import Operator, Outside, _readiness, assemble
from tokenfleet.ports import Body, RefusedError, Resource


class Forbidding(FakeCluster):
    """As the API server is to an account whose RoleBinding went with its namespace."""

    async def list(self, resource: Resource, *, label_selector: str = "") -> list[Body]:
        del label_selector
        msg = f'{resource.plural} is forbidden in the namespace "b"'
        raise RefusedError(msg)


def started(cluster: FakeCluster, *namespaces: str) -> Operator:
    outside = Outside(cluster=cluster, agents=FakeAgents(), clock=FakeClock(), measure=None)
    return assemble(replace(OPTIONS, namespaces=namespaces), outside)


def problems(operator: Operator) -> dict[str, str]:
    checks = _readiness(operator.core, operator.shell.resync)
    return {check.name: check.problem for check in checks if check.problem}


async def test_a_namespace_that_is_gone_does_not_keep_the_others_from_being_led() -> None:
    """403 is not an outage, however long it lasts."""
    cluster = Forbidding()
    cluster.forbidden.add("b")
    operator = started(cluster, "a", "b")

    async with asyncio.timeout(60):
        await operate._lead(operator.core)
    assert operator.core.elector.leads()
    assert problems(operator) == {"sync": "not synced yet"}

    assert await operator.shell.resync.fill()
    operator.shell.resync.synced.set()

    assert list(problems(operator)) == ["namespace b"]
    checks = _readiness(operator.core, operator.shell.resync)
    assert not any(check.problem and check.decides for check in checks), "the others are served"
    value = operator.core.telemetry.registry.get_sample_value
    assert value("tokenfleet_namespace_blind", {"namespace": "b"}) == 1


async def test_a_cluster_that_may_not_be_listed_at_all_is_not_ready() -> None:
    cluster = FakeCluster()
    cluster.forbidden.add("")
    operator = started(cluster)

    assert await operator.shell.resync.fill()

    checks = _readiness(operator.core, operator.shell.resync)
    assert [check.name for check in checks if check.problem and check.decides] == ["cluster"]


async def test_waiting_for_a_definition_ends_when_it_is_served(monkeypatch: Any) -> None:
    monkeypatch.setattr(operate, "ASK_AGAIN", 0.001)
    cluster = FakeCluster()
    cluster.unserved.add("TokenSLO")
    operator = started(cluster)
    task = asyncio.create_task(operate._lead(operator.core))
    await asyncio.sleep(0.01)
    assert not task.done()

    cluster.unserved.clear()
    async with asyncio.timeout(60):
        await task
