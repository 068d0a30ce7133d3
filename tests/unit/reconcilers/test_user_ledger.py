"""The books of users: asked, priced, added up over replicas and written down."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import T0, FakeAgents, FakeClock
from tests.unit.domain.fleet.builders import meta, owned_by, pool, router, router_pods
from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey
from tokenfleet.domain.slo.observation.measurement import Usage
from tokenfleet.domain.spending.prices import Place
from tokenfleet.domain.spending.summary import Spending, Summary
from tokenfleet.domain.spending.user_books import hashed
from tokenfleet.domain.spending.user_history import between, hour_of, read
from tokenfleet.ports import UserReport
from tokenfleet.reconcilers.replicas import Replicas
from tokenfleet.reconcilers.resources import CONFIG_MAPS
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.user_ledger import UserLedger

PRICE = {"type": "PerMillionTokens", "perMillionTokens": {"prompt": "1000", "completion": "2000"}}
PLACE = Place("chat", "main", "large", "search", "other")
KEY = ObjectKey(ROUTER, "ns", "default")


class Fleet:
    def __init__(self, replicas: int = 2, **spec: Any) -> None:
        self.cluster, self.agents = FakeCluster(), FakeAgents()
        self.clock = FakeClock(T0 + timedelta(minutes=20))
        self.store = Store(lambda _: None)
        self.router = router()
        self.router["spec"] = {**self.router["spec"], **spec}
        self.store.put(self.router)
        self.store.put(pool("large", price=PRICE))
        for body in router_pods(self.router, replicas):
            self.store.put(body)
        self.leads = True
        self.ledger = self.again()

    def again(self) -> UserLedger:
        """Start another operator process."""
        return UserLedger(
            store=self.store,
            replicas=Replicas(store=self.store, clock=self.clock),
            agents=self.agents,
            cluster=self.cluster,
            clock=self.clock,
            may_write=lambda: self.leads,
            me="system/one",
        )

    def report(self, names: str) -> None:
        """Let the router's owner say how users are to be reported."""
        attribution = {"user": {"header": "x-user", "report": names}}
        metadata = {**self.router["metadata"], "resourceVersion": "1000"}
        spec = {**self.router["spec"], "attribution": attribution}
        self.store.put({**self.router, "metadata": metadata, "spec": spec})

    def tell(self, replica: int, **tokens: int) -> None:
        """Let a replica report prompt tokens by user."""
        names = {name: Spending(Usage(requests=1, prompt=n)) for name, n in tokens.items()}
        report: UserReport = {(PLACE, hour_of(self.clock.now())): Summary(names)}
        self.agents.reports[f"10.0.0.{replica}:9091"] = report

    async def data(self) -> dict[str, str]:
        stored = await self.cluster.get(CONFIG_MAPS, "ns", "default-users")
        return dict(stored["data"]) if stored is not None else {}

    async def costs(self) -> dict[str, float]:
        found = between(read(await self.data()), self.clock.now() - timedelta(1), self.clock.now())
        return {name: spent.cost for name, spent in found["chat"].names.items()} if found else {}


async def test_what_replicas_say_is_added_up_and_priced() -> None:
    fleet = Fleet()
    fleet.tell(1, ada=1000, bob=10)
    fleet.tell(2, ada=500)

    await fleet.ledger.look()

    assert await fleet.costs() == {"ada": 1.5, "bob": 0.01}


async def test_a_newer_report_takes_the_place_of_the_one_before() -> None:
    fleet = Fleet()
    fleet.tell(1, ada=1000)
    await fleet.ledger.look()
    fleet.tell(1, ada=1200)

    await fleet.ledger.look()

    assert await fleet.costs() == {"ada": 1.2}


async def test_what_a_replica_said_stays_when_it_is_gone() -> None:
    fleet = Fleet()
    fleet.tell(1, ada=1000)
    fleet.tell(2, ada=500)
    await fleet.ledger.look()
    fleet.agents.reports.clear()

    await fleet.ledger.look()

    assert await fleet.costs() == {"ada": 1.5}


async def test_another_process_goes_on_where_the_last_one_wrote() -> None:
    fleet = Fleet()
    fleet.tell(1, ada=1000, gone=700)
    await fleet.ledger.look()
    fleet.tell(1, ada=1100)

    await fleet.again().look()

    assert await fleet.costs() == {"ada": 1.1, "gone": 0.7}


async def test_hours_are_written_side_by_side() -> None:
    fleet = Fleet()
    fleet.tell(1, ada=1000)
    await fleet.ledger.look()
    fleet.clock.advance(hours=1)
    fleet.tell(1, ada=50)

    await fleet.ledger.look()

    assert await fleet.costs() == {"ada": 1.05}
    assert len(read(await fleet.data())) == 2


async def test_a_fleet_at_rest_writes_nothing() -> None:
    fleet = Fleet()
    fleet.tell(1, ada=1000)
    await fleet.ledger.look()
    writes = len(fleet.cluster.calls)

    for _ in range(5):
        await fleet.ledger.look()

    assert len(fleet.cluster.calls) == writes


async def test_names_are_hashed_where_the_router_asks_for_it() -> None:
    fleet = Fleet(attribution={"user": {"header": "x-user", "report": "Hashes"}})
    fleet.tell(1, ada=1000)

    await fleet.ledger.look()

    assert await fleet.costs() == {hashed("ns", "default", "ada"): 1.0}
    assert "ada" not in "".join((await fleet.data()).values())


async def test_names_that_were_written_are_hashed_when_that_is_asked_for() -> None:
    fleet = Fleet()
    fleet.tell(1, ada=1000)
    await fleet.ledger.look()
    fleet.clock.advance(hours=3)
    fleet.report("Hashes")

    await fleet.ledger.look()

    assert await fleet.costs() == {hashed("ns", "default", "ada"): 1.0}


async def test_switching_it_off_asks_nobody_and_deletes_what_was_written() -> None:
    fleet = Fleet()
    fleet.tell(1, ada=1000)
    await fleet.ledger.look()
    fleet.report("None")

    await fleet.ledger.look()
    await fleet.ledger.look()

    assert await fleet.data() == {}
    assert fleet.ledger.spent(KEY) == ()


async def test_somebody_elses_object_is_left_alone() -> None:
    fleet = Fleet()
    theirs = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("default-users"), "data": {"a": "b"}
    }  # fmt: skip
    del theirs["metadata"]["resourceVersion"]
    await fleet.cluster.replace(theirs)
    fleet.tell(1, ada=1000)

    await fleet.ledger.look()

    assert await fleet.data() == {"a": "b"}


async def test_the_books_belong_to_the_router_and_are_not_watched() -> None:
    fleet = Fleet()
    fleet.tell(1, ada=1000)
    await fleet.ledger.look()

    stored = await fleet.cluster.get(CONFIG_MAPS, "ns", "default-users")

    assert stored is not None
    (owner,) = stored["metadata"]["ownerReferences"]
    assert owner.items() >= owned_by(fleet.router).items()
    assert "labels" not in stored["metadata"]


async def test_who_does_not_lead_writes_nothing() -> None:
    fleet = Fleet()
    fleet.leads = False
    fleet.tell(1, ada=1000)

    await fleet.ledger.look()

    assert await fleet.data() == {}


async def test_a_write_that_fails_is_tried_again_from_what_is_stored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet = Fleet()
    fleet.tell(1, ada=1000)
    fleet.cluster.outage = True
    await fleet.ledger.look()
    await fleet.ledger.look()
    fleet.cluster.outage = False

    await fleet.ledger.look()

    assert await fleet.costs() == {"ada": 1.0}
    assert caplog.text.count("cannot be written down") == 1
