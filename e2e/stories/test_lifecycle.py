"""The operator comes, changes its version, goes and comes back; pools and traffic do not notice."""

import pytest

from e2e.kit import chart
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.waiting import NotYet, wait_for
from e2e.stories import previous
from e2e.stories.fleet import FALLBACK, PRIMARY, ROUTE, ROUTER, Fleet, finished


def engines(fleet: Fleet) -> dict[str, int]:
    """Return every engine and router pod by its uid, with its restarts."""
    found = fleet.namespace.list("pods", "tokenfleet.dev/pool in (primary, fallback)")
    found += fleet.namespace.list("pods", f"tokenfleet.dev/router={ROUTER}")
    return {
        pod["metadata"]["uid"]: sum(c["restartCount"] for c in pod["status"]["containerStatuses"])
        for pod in found
    }


def pool_pods(fleet: Fleet) -> set[str]:
    """Return the uids of the engines' pods."""
    return {pod["metadata"]["uid"] for name in (PRIMARY, FALLBACK) for pod in fleet.pods(name)}


def operated(fleet: Fleet) -> None:
    """State that an operator is at work: what is asked for now happens."""
    fleet.namespace.run("scale", f"servingpool/{FALLBACK}", "--replicas=2")

    def scaled(wanted: int) -> bool | NotYet:
        ready = fleet.namespace.must_get("servingpool", FALLBACK)["status"].get("readyReplicas")
        return ready == wanted or NotYet(f"{ready} ready")

    wait_for("a second replica", lambda: scaled(2), timeout=180, namespace=fleet.namespace)
    fleet.namespace.run("scale", f"servingpool/{FALLBACK}", "--replicas=1")
    wait_for("one replica", lambda: scaled(1), timeout=180, namespace=fleet.namespace)


def test_uninstalling_keeps_definitions_pools_and_traffic(
    fleet: Fleet, cluster: Cluster, operator: Namespace
) -> None:
    before = engines(fleet)
    values = chart.current_values(cluster)
    load = fleet.start_load()
    chart.uninstall(cluster)
    try:
        kinds = fleet.namespace.run("api-resources", "--api-group=tokenfleet.dev", "-o", "name")
        kept = fleet.namespace.run("get", "tokenfleet", "-o", "name")
        assert fleet.chat().status_code == 200
    finally:
        chart.install(cluster, values)
    for aspect, kind, name in (
        ("Ready", "servingpool", PRIMARY),
        ("Programmed", "modelroute", ROUTE),
    ):
        fleet.wait(kind, name, aspect)
    finished(load, at_least=20)

    assert len(kinds.split()) == 4
    assert all(name in kept for name in (PRIMARY, FALLBACK, ROUTE, ROUTER))
    assert engines(fleet) == before
    operated(fleet)
    assert operator


def test_an_older_version_is_upgraded_and_rolled_back_without_restarting_a_pool(
    fleet: Fleet, cluster: Cluster, operator: Namespace
) -> None:
    if not cluster.builtin:
        pytest.skip("an image of the older version exists only on the built-in cluster")
    values = chart.current_values(cluster)
    before, load = pool_pods(fleet), fleet.start_load()
    with previous.release() as older:
        try:
            for folder, images in (
                (older.chart, older.values),
                (None, {}),
                (older.chart, older.values),
            ):
                chart.install(cluster, {**values, **images}, chart=folder)
                fleet.wait("modelrouter", ROUTER, "Ready", timeout=180)
                operated(fleet)
                assert before <= pool_pods(fleet), "a pool was restarted"
        finally:
            chart.install(cluster, values)
    fleet.wait("modelrouter", ROUTER, "Ready", timeout=180)
    operated(fleet)

    assert before == pool_pods(fleet)
    finished(load, at_least=100)
    assert operator
