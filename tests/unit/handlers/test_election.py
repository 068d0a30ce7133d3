"""Two candidates, one Lease."""

import asyncio
from typing import Any

import pytest

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import FakeClock
from tokenfleet.handlers.election import LEASE_DURATION, RENEW_DEADLINE, Elector
from tokenfleet.reconcilers.resources import LEASES

LEASE = (LEASES, "system", "leader")


class Monotonic:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def time() -> Monotonic:
    return Monotonic()


def candidate(cluster: FakeCluster, time: Monotonic, name: str) -> Elector:
    return Elector(cluster, FakeClock(), lease=LEASE, identity=name, monotonic=time)


def spec(cluster: FakeCluster) -> dict[str, Any]:
    return cluster.objects["Lease", "system", "leader"]["spec"]


async def test_the_first_one_leads_and_the_second_one_waits(
    cluster: FakeCluster, time: Monotonic
) -> None:
    a, b = candidate(cluster, time, "a"), candidate(cluster, time, "b")

    assert await a._try()
    assert not await b._try()
    assert a.leads()
    assert not b.leads()
    assert spec(cluster)["holderIdentity"] == "a"


async def test_a_follower_takes_over_a_duration_after_it_saw_the_last_renewal(
    cluster: FakeCluster, time: Monotonic
) -> None:
    a, b = candidate(cluster, time, "a"), candidate(cluster, time, "b")
    await a._try()
    await b._try()
    time.seconds += LEASE_DURATION - 1
    assert not await b._try()
    time.seconds += 1

    assert await b._try()
    assert spec(cluster)["leaseTransitions"] == 1


async def test_the_old_leader_stops_writing_before_anybody_can_take_over(
    cluster: FakeCluster, time: Monotonic
) -> None:
    """Paused (SIGSTOP) past its lease, the process wakes up and must not write."""
    a = candidate(cluster, time, "a")
    await a._try()
    time.seconds += RENEW_DEADLINE

    assert not a.leads()
    assert RENEW_DEADLINE < LEASE_DURATION


async def test_a_leader_that_was_replaced_never_comes_back(
    cluster: FakeCluster, time: Monotonic
) -> None:
    a, b = candidate(cluster, time, "a"), candidate(cluster, time, "b")
    await a._try()
    await b._try()
    time.seconds += LEASE_DURATION
    await b._try()

    assert not await a._try()
    assert not a.leads()
    assert spec(cluster)["holderIdentity"] == "b"


async def test_release_lets_the_next_one_start_at_once(
    cluster: FakeCluster, time: Monotonic
) -> None:
    a, b = candidate(cluster, time, "a"), candidate(cluster, time, "b")
    await a._try()
    await b._try()
    await a.release()

    assert await b._try()
    assert not a.leads()


async def test_an_outage_shorter_than_the_deadline_keeps_the_leader(
    cluster: FakeCluster, time: Monotonic
) -> None:
    a = candidate(cluster, time, "a")
    await a._try()
    cluster.outage = True
    time.seconds += RENEW_DEADLINE - 1
    assert await a._try()
    cluster.outage = False

    assert await a._try()
    time.seconds += RENEW_DEADLINE - 1
    assert a.leads()


async def test_a_lease_that_took_too_long_to_win_is_tried_again(
    cluster: FakeCluster, time: Monotonic
) -> None:
    """A starved node: the answer comes after the deadline it started."""
    a = candidate(cluster, time, "a")
    slow = cluster.replace
    calls = []

    async def replace(body: Any) -> Any:
        calls.append(body)
        time.seconds += RENEW_DEADLINE + 1 if len(calls) == 1 else 0
        return await slow(body)

    cluster.replace = replace  # type: ignore[method-assign]
    await asyncio.wait_for(a.acquire(), 60)

    assert len(calls) == 2
    assert a.leads()
