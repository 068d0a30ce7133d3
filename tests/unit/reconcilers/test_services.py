"""What is named only now is fetched once, and kept up to date by the watches from then on."""

from typing import Any

import pytest

from tests.support.fake_cluster import FakeCluster
from tests.unit.domain.fleet.builders import pool, service, slices
from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.ports import PortError
from tokenfleet.reconcilers.services import Services
from tokenfleet.reconcilers.store import Store

KEY = ObjectKey("Service", "ns", "large")


class Bench:
    def __init__(self) -> None:
        self.cluster, self.store = FakeCluster(), Store(lambda _: None)
        self.services = Services(cluster=self.cluster, store=self.store)
        for body in (service("large"), *slices("large", 2), service("shop"), *slices("shop", 2)):
            metadata = {**body["metadata"], "name": f"{body['metadata']['name']}"}
            self.store.put(self.cluster.put({**body, "metadata": metadata}))


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_service_that_has_passed_by_is_fetched_with_its_slices(bench: Bench) -> None:
    assert bench.store.get(KEY) is None
    bench.store.put(pool("large"))

    await bench.services.know([KEY])

    assert bench.store.get(KEY) is not None
    assert len(bench.store.referring_bodies(KEY, "EndpointSlice")) == 1
    assert bench.store.keys("Service") == {KEY}


async def test_it_is_asked_for_once(bench: Bench) -> None:
    bench.store.put(pool("large"))
    await bench.services.know([KEY])
    bench.cluster.listed.clear()

    await bench.services.know([KEY])

    assert bench.cluster.listed == []


async def test_one_that_does_not_exist_is_known_not_to_exist(bench: Bench) -> None:
    missing = ObjectKey("Service", "ns", "missing")
    bench.store.put(pool("missing"))

    await bench.services.know([missing])

    assert bench.store.is_whole(missing)
    assert bench.store.get(missing) is None


async def test_what_nobody_names_is_not_asked_for(bench: Bench) -> None:
    await bench.services.know([ObjectKey("Service", "ns", "shop")])

    assert bench.cluster.listed == []


async def test_a_failure_is_told_and_tried_again(bench: Bench) -> None:
    bench.store.put(pool("large"))
    bench.cluster.outage = True
    with pytest.raises(PortError):
        await bench.services.know([KEY])
    bench.cluster.outage = False

    await bench.services.know([KEY])

    found: Any = bench.store.get(KEY)
    assert found["spec"]["ports"][0]["port"] == 8000
