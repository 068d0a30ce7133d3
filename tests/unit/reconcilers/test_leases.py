"""Whether another operator is gone: by its Lease, and by our own clock alone."""

from datetime import timedelta

import pytest

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import FakeClock
from tokenfleet.ports import Body, PortError, RefusedError, Resource
from tokenfleet.reconcilers.leases import ASK_AGAIN, SILENCE, UNREADABLE, Leases

OTHER = "system/other"


class Answering(FakeCluster):
    """Answers a question with an error, where it has one."""

    error: PortError | None = None
    asked = 0

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return await super().get(resource, namespace, name)

    def renew(self, holder: str = "pod") -> None:
        metadata = {"name": "other", "namespace": "system"}
        spec = {"holderIdentity": holder, "renewTime": f"turn {self.asked}"}
        self.put({"kind": "Lease", "metadata": metadata, "spec": spec})


@pytest.fixture
def cluster() -> Answering:
    return Answering()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def leases(cluster: Answering, clock: FakeClock) -> Leases:
    return Leases(cluster, clock)


async def gone_after(leases: Leases, clock: FakeClock, time: timedelta) -> bool:
    """Look again and again, and return what is said at the end."""
    end = clock.now() + time
    while clock.now() < end:
        await leases.gone(OTHER)
        clock.advance(seconds=5)
    return await leases.gone(OTHER)


async def test_one_that_renews_is_there(
    leases: Leases, cluster: Answering, clock: FakeClock
) -> None:
    for _ in range(100):
        cluster.renew()
        assert not await leases.gone(OTHER)
        clock.advance(seconds=40)


@pytest.mark.parametrize("holder", ["pod", ""], ids=["dead", "released"])
async def test_one_that_renews_no_more_is_gone_after_a_minute(
    leases: Leases, cluster: Answering, clock: FakeClock, holder: str
) -> None:
    """A Lease that was given back is taken by the next replica of the same release in between."""
    cluster.renew(holder)

    assert not await gone_after(leases, clock, SILENCE - timedelta(seconds=10))
    assert await gone_after(leases, clock, timedelta(seconds=20))


async def test_one_without_a_lease_is_gone_and_may_come_back(
    leases: Leases, cluster: Answering, clock: FakeClock
) -> None:
    assert await leases.gone(OTHER)
    cluster.renew()
    clock.advance(seconds=ASK_AGAIN.total_seconds())

    assert not await leases.gone(OTHER)


async def test_a_server_that_does_not_answer_ends_nobody(
    leases: Leases, cluster: Answering, clock: FakeClock
) -> None:
    cluster.error = PortError("no answer")

    assert not await gone_after(leases, clock, timedelta(hours=1))


async def test_one_whose_lease_may_not_be_read_does_not_block_for_ever(
    leases: Leases, cluster: Answering, clock: FakeClock
) -> None:
    cluster.error = RefusedError("leases is forbidden")

    assert not await gone_after(leases, clock, UNREADABLE - timedelta(seconds=10))
    assert await gone_after(leases, clock, timedelta(seconds=20))


async def test_a_thousand_objects_ask_once(
    leases: Leases, cluster: Answering, clock: FakeClock
) -> None:
    cluster.renew()
    for _ in range(1000):
        await leases.gone(OTHER)
        await leases.gone("system/missing")

    assert clock.now()
    assert cluster.asked == 2


@pytest.mark.parametrize(
    "operator", ["", "x", "a/", "/b", "../..", "a/../../secrets", "a/b?x", "A/b"]
)
async def test_what_names_no_lease_is_nobody_and_is_not_asked_for(
    leases: Leases, cluster: Answering, operator: str
) -> None:
    assert await leases.gone(operator)
    assert cluster.asked == 0
