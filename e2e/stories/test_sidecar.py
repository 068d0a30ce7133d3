"""A router beside the application: it starts first, is reached on the loopback, and leaves last."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.proxy import ApiProxy
from e2e.kit.waiting import NotYet, wait_for
from e2e.load.pod import manifests
from e2e.stories import fleet as written
from e2e.stories.beside import Application, sidecar_router
from e2e.stories.fleet import FALLBACK, PRIMARY, ROUTER, SLOW, Fleet, all_answered

LIMIT = 5
"""Seconds that the story of a router without rights lets its application wait."""


@pytest.fixture(scope="module")
def application(cluster: Cluster, operator: Namespace, proxy: ApiProxy) -> Iterator[Application]:
    """Return an application with a router in each of its two pods, that sends all the time."""
    assert operator
    with fresh(cluster, "sidecar") as namespace:
        made = Fleet(namespace=namespace, proxy=proxy)
        made.apply(
            written.pool(PRIMARY, replicas=2),
            written.pool(FALLBACK, replicas=1),
            sidecar_router(),
            written.route(),
        )
        for pool in (PRIMARY, FALLBACK):
            made.wait("ServingPool", pool, "Ready")
        found = Application(fleet=made)
        found.deploy()
        found.wait()
        made.wait_ready()
        yield found
        for run in found.runs.values():
            run.close()


def test_every_pod_of_the_application_counts_as_a_replica(application: Application) -> None:
    fleet = application.fleet

    def acknowledged() -> dict[str, Any] | NotYet:
        status: dict[str, Any] = fleet.namespace.must_get("modelrouter", ROUTER)["status"]
        told = status.get("acknowledged")
        return status if told == "2/2" else NotYet(f"acknowledged by {told}")

    found = wait_for("both to be known", acknowledged, timeout=180, namespace=fleet.namespace)
    assert {one["pod"] for one in found["replicas"]} == set(application.runs)
    assert found["addresses"] == ["127.0.0.1:8787"]
    assert fleet.namespace.get("deployment", f"{ROUTER}-router") is None


def test_an_application_goes_through_a_breach_a_shift_and_the_way_back(
    application: Application,
) -> None:
    fleet = application.fleet
    fleet.apply(written.slo())
    fleet.wait("tokenslo", written.SLO, "Met", timeout=120)
    fleet.behave(PRIMARY, **SLOW)
    shifted = fleet.wait_shifted()
    fleet.behave(PRIMARY)
    way = fleet.climb()
    records = application.records()

    assert shifted < 1000
    assert way[-1] == 1000
    assert {record.pool for record in records} == {PRIMARY, FALLBACK}
    all_answered(records, at_least=100)


def test_a_rolling_update_of_the_application_fails_no_request(application: Application) -> None:
    before = set(application.runs)
    application.talk = {"max_tokens": 120}
    application.deploy(version="two")
    application.wait(version="two")
    new = set(application.runs) - before

    def settled() -> bool | NotYet:
        found = application.fleet.namespace.must_get("modelrouter", ROUTER)["status"]
        pods = {one["pod"] for one in found["replicas"]}
        return (pods == new and found["acknowledged"] == "2/2") or NotYet(str(sorted(pods)))

    wait_for("the new pods to be replicas", settled, timeout=180)
    wait_for(
        "requests of the new pods",
        lambda: all(len(application.runs[pod].live) > 10 for pod in new) or NotYet("few"),
        timeout=180,
    )

    all_answered(application.records(), at_least=100)
    assert application.restarts() == 0
    assert len(new) == 2


def test_a_router_that_is_not_ready_holds_no_start_beyond_the_limit(
    application: Application,
) -> None:
    """Its application's account may not read the configuration, so it never gets ready."""
    namespace = application.fleet.namespace
    limits = {"serviceAccounts": ["somebody-else"], "startLimit": f"{LIMIT}s"}
    namespace.apply(sidecar_router("shut", sidecar=limits))
    config, pod = manifests("alone", written.profile(namespace.name, duration=5.0))
    pod["metadata"]["labels"] = {"tokenfleet.dev/router": "shut"}
    namespace.apply(config, pod)

    def started() -> dict[str, datetime] | NotYet:
        status = namespace.must_get("pod", "alone")["status"]
        found = {
            one["name"]: next(iter(one["state"].values())).get("startedAt", "")
            for part in ("initContainerStatuses", "containerStatuses")
            for one in status.get(part, ())
        }
        at = {name: datetime.fromisoformat(text) for name, text in found.items() if text}
        return at if "load" in at else NotYet(str(sorted(at)))

    # Without the limit it would wait for ever.
    at = wait_for("the application to start", started, timeout=180, namespace=namespace)
    waited = (at["load"] - at["tokenfleet-agent"]).total_seconds()

    assert waited >= LIMIT - 1, "a router that is on its way is waited for"
