"""What a fleet at rest costs the API server: status writes of objectives over simulated time."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import FakeClock
from tests.unit.domain.fleet.builders import route, router, slo
from tests.unit.domain.fleet.test_slo_status import SEEN
from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey, key_of
from tokenfleet.domain.fleet.slo_status import HEARTBEAT
from tokenfleet.domain.fleet.views import RouterView
from tokenfleet.handlers.telemetry import PrometheusTelemetry
from tokenfleet.reconcilers.applier import Applier
from tokenfleet.reconcilers.optional_kinds import OptionalKinds
from tokenfleet.reconcilers.slo_visitor import SloVisitor
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.views import Views
from tokenfleet.reconcilers.visits import Done

OBJECTIVES = 250
"""Rates scale with it; a thousand take four times as long to simulate."""
SCALE = 1000 / OBJECTIVES
STEP = timedelta(minutes=3)
"""Between visits. In a real operator they come with every tick; a visit between two due writes
writes nothing, however many there are."""


class Fleet:
    """Objectives that are met, whose numbers change all the time."""

    def __init__(self, cluster: FakeCluster, clock: FakeClock) -> None:
        self.cluster, self.clock = cluster, clock
        self.store, self.views = Store(lambda _: None), Views(lambda _: None)
        self.visitor = SloVisitor(
            store=self.store,
            views=self.views,
            clock=clock,
            budgets=dict,
            paths=dict,
            users=lambda _: (),
        )
        self.applier = Applier(
            cluster,
            self.store,
            telemetry=PrometheusTelemetry(),
            may_write=lambda: True,
            clock=self.clock,
            optional=OptionalKinds(cluster, self.store, lambda _: None),
        )
        self.random = random.Random(7)
        self.writes: list[tuple[datetime, str]] = []
        for body in (router(), route()):
            self.store.put(body)
        for body in list(cluster.objects.values()):
            self.store.put(body)

    async def run(self, duration: timedelta) -> None:
        end = self.clock.now() + duration
        while self.clock.now() < end:
            self._measure()
            for key in sorted(self.store.keys("TokenSLO")):
                await self._visit(key)
            self.clock.advance(seconds=STEP.total_seconds())

    async def _visit(self, key: ObjectKey) -> None:
        owner = self.store.get(key)
        assert owner is not None
        plan = await self.visitor.plan(owner)
        if await self.applier.write_status(owner, plan.status):
            self.writes.append((self.clock.now(), key.name))
        await self.visitor.applied(owner, plan, Done(status=True, told=frozenset()))

    def _measure(self) -> None:
        seen = {
            f"ns/{key.name}": replace(
                SEEN, total=self.random.randrange(50, 200), burn_rate=self.random.random() * 0.9
            )
            for key in self.store.keys("TokenSLO")
        }
        self.views.publish(ObjectKey(ROUTER, "ns", "default"), RouterView(slos=seen))

    def rate(self, since: datetime, until: datetime) -> float:
        """Status writes per second that a thousand objectives would cause."""
        written = [at for at, _ in self.writes if since <= at < until]
        return len(written) * SCALE / (until - since).total_seconds()


def created() -> FakeCluster:
    cluster = FakeCluster()
    for number in range(OBJECTIVES):
        body = slo(name=f"slo-{number}")
        cluster.put({**body, "metadata": {"name": body["metadata"]["name"], "namespace": "ns"}})
    return cluster


async def test_a_thousand_objectives_at_rest_cost_less_than_a_write_per_second() -> None:
    clock = FakeClock()
    fleet = Fleet(created(), clock)
    started = clock.now()
    await fleet.run(timedelta(hours=3))
    times: dict[str, list[datetime]] = {}
    for at, name in fleet.writes:
        times.setdefault(name, []).append(at)
    pauses = [b - a for written in times.values() for a, b in pairwise(written)]

    hour = timedelta(hours=1)
    assert {key_of(body).name for body in fleet.cluster.objects.values()} == times.keys()
    assert min(pauses) >= HEARTBEAT
    assert 0 < fleet.rate(started + hour, started + 3 * hour) < 1
    for first in range(6, 36):  # nor in any ten minutes after the first round
        since = started + first * timedelta(minutes=5)
        assert fleet.rate(since, since + timedelta(minutes=10)) < 1, first


async def test_a_restarted_operator_does_not_write_all_of_them_again() -> None:
    clock = FakeClock()
    cluster = created()
    await Fleet(cluster, clock).run(timedelta(minutes=10))
    second = Fleet(cluster, clock)
    restarted = clock.now()
    await second.run(timedelta(hours=1, minutes=30))

    assert second.rate(restarted, restarted + HEARTBEAT) == 0
    assert 0 < second.rate(restarted + HEARTBEAT, clock.now()) < 1
