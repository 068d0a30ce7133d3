"""A pool at 0 replicas: its fallback serves, its demand shows, and its traffic comes back in steps."""

from typing import Any

import pytest

from tests.unit.domain.slo.builders import GOOD, REPLICA, T0, WINDOWS, Fleet, cell
from tokenfleet.domain.slo.observation.measurement import Failure, PoolFacts, Scrapes

AT_ZERO = PoolFacts(ready=0, desired=0, capacity=10.0)
STARTING = PoolFacts(ready=0, desired=1, capacity=10.0)
WOKEN = PoolFacts(ready=1, desired=1, capacity=10.0)
WAITING_ROOM = PoolFacts(ready=2, desired=2, capacity=10.0)
ROUTER = (REPLICA.namespace, REPLICA.pod)
FINE = cell("small", 4.0, 0.0)


def fleet(large: PoolFacts) -> Fleet:
    return Fleet(pools={"team-a/large": large, "team-a/small": WAITING_ROOM})


def test_requests_for_a_pool_at_zero_are_its_demand_while_the_fallback_serves_them() -> None:
    seen = fleet(AT_ZERO)

    outcome = seen.see(FINE, demand=4.0, seconds=60)

    assert seen.shares() == {"large": 0, "small": 1000}
    assert outcome.demand == {"team-a/large": 4.0}


def test_without_requests_there_is_no_demand_to_wake_it() -> None:
    assert fleet(AT_ZERO).see(demand=0.0).demand == {"team-a/large": 0.0}


def test_a_rule_that_nobody_asked_yet_has_no_demand_as_soon_as_its_routers_are_seen() -> None:
    """Without it no autoscaler would take an idle pool to zero after a restart of the router."""
    assert fleet(AT_ZERO).see(rules={}).demand == {"team-a/large": 0.0}


@pytest.mark.parametrize(
    "blind",
    [
        {"replicas": {}},
        {"replicas": {ROUTER: Scrapes(successes={WINDOWS.short: 2.0}, newest=T0)}},
        {"failure": Failure("SourceError", "no answer")},
    ],
    ids=["not scraped", "scraped too rarely", "no Prometheus"],
)
def test_without_sight_demand_is_unknown_and_not_zero(blind: dict[str, Any]) -> None:
    """An autoscaler that reads 0 would send a busy pool away."""
    assert fleet(AT_ZERO).see(rules={}, **blind).demand == {}


def test_traffic_comes_back_in_steps_once_a_replica_is_ready() -> None:
    seen = fleet(AT_ZERO)
    seen.see(FINE, demand=4.0, seconds=60)
    seen.pools["team-a/large"] = STARTING
    seen.see(FINE, demand=4.0, seconds=600)
    assert seen.shares()["large"] == 0

    seen.pools["team-a/large"] = WOKEN
    steps = []
    for _ in range(400):
        outcome = seen.see(GOOD, FINE, demand=4.0)
        assert outcome.demand == {"team-a/large": 4.0}
        steps.append(seen.shares()["large"])

    between = {share for share in steps if 0 < share < 1000}
    assert len(between) > 2
    assert steps == sorted(steps)
    assert steps[-1] == 1000
