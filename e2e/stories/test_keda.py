"""The real KEDA on a pool's demand, by the page's ScaledObject: to zero, paused, awake, and to zero again.

It needs KEDA's programs, which take minutes to build, so it is told by `make keda` only.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.keda import pods
from e2e.kit import prometheus, recipes
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.waiting import NotYet, wait_condition, wait_for
from e2e.kit.yamls import merged
from e2e.stories import fleet as written
from e2e.stories import waking
from e2e.stories.fleet import FALLBACK, PRIMARY, Fleet, finished, never

KIND = "scaledobject"
POLL, COOLDOWN = 5, 15
"""Seconds; the page leaves the first to KEDA (30) and sets the second to half an hour."""
PAUSED = "autoscaling.keda.sh/paused"
NOBODY = "max(tokenfleet_pool_demand{pool='nobody'})"


@pytest.fixture(scope="module", autouse=True)
def keda(cluster: Cluster, monitoring: Namespace) -> Iterator[None]:
    assert monitoring
    with pods.serving(cluster):
        yield


def scaled_object(namespace: str, **trigger: str) -> dict[str, Any]:
    """Return the page's, about this pool and with haste."""
    found = recipes.scaler("ScaledObject", "chat-large")
    (prom,) = found["spec"]["triggers"]
    query = prom["metadata"]["query"]
    about = query.replace("team-a", namespace).replace("chat-large", PRIMARY)
    assert about.count(namespace) == about.count(PRIMARY) == 1
    mine = merged(prom, {"metadata": {"query": about, **trigger}})
    spec = {
        "scaleTargetRef": {"name": PRIMARY},
        "pollingInterval": POLL,
        "cooldownPeriod": COOLDOWN,
        "triggers": [mine],
    }
    return merged(found, {"metadata": {"name": PRIMARY}, "spec": spec})


def owners(fleet: Fleet) -> set[str]:
    """Return the managers that own the pool's replicas by anything but its scale."""
    text = fleet.namespace.run("get", "servingpool", PRIMARY, "--show-managed-fields", "-o", "json")
    return {
        one["manager"]
        for one in json.loads(text)["metadata"]["managedFields"]
        if "f:replicas" in one["fieldsV1"].get("f:spec", {}) and one.get("subresource") != "scale"
    }


def test_keda_wakes_a_pool_by_demand_and_lets_it_sleep_again(
    fleet: Fleet, monitoring: Namespace
) -> None:
    space = fleet.namespace
    wanted = scaled_object(space.name)
    waking.falls_asleep(fleet, wanted)

    space.run("annotate", KIND, PRIMARY, f"{PAUSED}=true")
    wait_condition(space, KIND, PRIMARY, "Paused")
    load = fleet.start_load(rate=waking.RATE)
    query = wanted["spec"]["triggers"][0]["metadata"]["query"]

    def asked() -> bool | NotYet:
        demand = prometheus.number(monitoring, query)
        return (demand or 0) > waking.RATE / 2 or NotYet(f"demand {demand}")

    wait_for("demand", asked, timeout=240, namespace=space)
    never("KEDA woke a paused pool", lambda: waking.replicas(fleet), seconds=3 * POLL)

    space.run("annotate", KIND, PRIMARY, f"{PAUSED}-")
    waking.wakes(fleet)
    waking.gets_its_traffic_back(fleet)

    before = waking.replicas(fleet)
    without = merged(written.pool(PRIMARY), {"spec": {"replicas": None}})
    space.apply(without, server_side=True)
    assert waking.replicas(fleet) == before, "git took the replicas away"
    assert owners(fleet) == set(), "somebody else has written the replicas"

    records = finished(load, at_least=100)
    space.apply(scaled_object(space.name, query=NOBODY))
    wait_condition(space, KIND, PRIMARY, "Ready", status="False", reason="TriggerError")
    asleep = lambda: not waking.replicas(fleet)  # noqa: E731
    never("a metric that is missing sent the pool away", asleep, seconds=COOLDOWN + 3 * POLL)
    space.apply(wanted)
    waking.wait_replicas(fleet, "the idle pool to go to zero again", 0, 0)

    space.delete(KIND, PRIMARY)
    waking.as_before(fleet)
    assert {record.pool for record in records} == {PRIMARY, FALLBACK}
