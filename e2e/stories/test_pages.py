"""Every command of README, quickstart, runbooks and all other pages, run as it stands.

What a page needs and a cluster of tests lacks is put in its place here: weights of a model from the
internet (a simulated engine answers), the custom resources of the Prometheus operator.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from e2e.kit import chart, pages, repository, restricted
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.pages import Block, Shell
from e2e.kit.registry import registry
from e2e.kit.waiting import NotYet, wait_condition, wait_for, wait_served
from e2e.stories.fleet import SIMULATOR

HOUR = Path("operator/docs/quickstart.md")
"""The page that begins with an empty cluster and ends with one."""
PAGES = [
    page
    for page in pages.pages()
    if page != HOUR and any(not block.unfit for block in pages.blocks(page))
]
NAMES = {
    "POOL": "chat-small",
    "PRIMARY": "chat-small",
    "ROUTE": "chat",
    "ROUTER": "default",
    "N": "1",
    "KIND": "mroute",
}
OF_PAGES: dict[str, dict[str, str]] = {
    "ServingPoolRolloutStuck": {"KIND": "spool", "POD": "ended"},
    "TokenfleetChildRefused": {"KIND": "mrouter", "NAME": "default"},
    "TokenfleetNotReady": {"KIND": "mroute", "NAME": "chat"},
    "TokenfleetFieldConflict": {"KIND": "spool", "NAME": "chat-small"},
    "costs": {"NAME": "chat-latency"},
}
"""What readers of a page put in, where it is not what others do."""
OF_KINDS = {"TokenSLO": "chat-latency", "ServingPool": "chat-small", "ModelRouter": "default"}
"""Beginning of a runbook's name -> the object that it is about."""
MONITORS = ("podmonitors", "PodMonitor"), ("prometheusrules", "PrometheusRule")


@pytest.fixture(scope="module")
def reader(cluster: Cluster, operator: Namespace) -> Iterator[Namespace]:
    """Return a namespace that is the current one, in a cluster without Tokenfleet's operator."""
    assert operator
    values = chart.current_values(cluster)
    with fresh(cluster, "reader") as namespace:
        chart.uninstall(cluster)
        try:
            with _monitors(cluster):
                yield namespace
        finally:
            # From the beginning: an operator looks for the kinds of others when it starts.
            chart.uninstall(cluster)
            chart.install(cluster, values)


@pytest.fixture(scope="module")
def shell(cluster: Cluster, reader: Namespace, tmp_path_factory: Any) -> Shell:
    """Return a shell in a checkout, with the programs that a reader has."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("charts", "crds", "operator"):
        (folder / name).symlink_to(repository() / name)
    programs = folder / "bin"
    programs.mkdir()
    for program in (cluster.kubectl, cluster.helm):
        (programs / Path(program).name).symlink_to(shutil.which(program) or program)
    kubeconfig = folder / "kubeconfig"
    shutil.copy(cluster.kubeconfig, kubeconfig)
    here = ["config", "set-context", "--current", f"--namespace={reader.name}"]
    reader.run("--kubeconfig", str(kubeconfig), *here)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return Shell(folder=folder, environment={"PATH": path, "KUBECONFIG": str(kubeconfig)})


@contextmanager
def _monitors(cluster: Cluster) -> Iterator[None]:
    """Define the Prometheus operator's kinds, where nobody has."""
    everywhere = cluster.namespace("default")
    missing = [m for m in MONITORS if not everywhere.get("crd", f"{m[0]}.monitoring.coreos.com")]
    for plural, kind in missing:
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
        }
        everywhere.apply(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.monitoring.coreos.com"},
                "spec": {
                    "group": "monitoring.coreos.com",
                    "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
                    "scope": "Namespaced",
                    "versions": [version],
                },
            }
        )
    if missing:
        wait_served(everywhere, *(f"{plural}.monitoring.coreos.com" for plural, _ in missing))
    yield
    for plural, _ in missing:
        everywhere.delete("crd", f"{plural}.monitoring.coreos.com")


def stand_in(namespace: Namespace, pool: str = "chat-small") -> None:
    """Let a simulated engine answer for a pool of the quickstart, and wait for the fleet."""
    resources = {"requests": {"cpu": "20m"}, "limits": {"cpu": None, "memory": "512Mi"}}
    engine = {"engine": {"image": SIMULATOR}, "resources": resources, "cpu": {"kvCache": "64Mi"}}
    namespace.patch("servingpool", pool, {"spec": {"managed": engine}})
    small = {"requests": {"cpu": "50m", "memory": "64Mi"}}
    namespace.patch("modelrouter", "default", {"spec": {"managed": {"resources": small}}})
    for kind, name in (
        ("servingpool", pool),
        ("modelrouter", "default"),
        ("modelroute", "chat"),
    ):
        wait_condition(namespace, kind, name, "Ready", timeout=300)


def ended(namespace: Namespace) -> None:
    """Make a pod whose container has ended once, for the command that reads its last log."""
    container = {
        "name": "main",
        "image": SIMULATOR,
        "command": ["python3", "-c", "raise SystemExit('that was it')"],
        "securityContext": restricted.CONTAINER,
    }
    namespace.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "ended"},
            "spec": {"securityContext": restricted.POD, "containers": [container]},
        }
    )

    def again() -> bool | NotYet:
        status = namespace.must_get("pod", "ended")["status"].get("containerStatuses", [])
        return any(c["restartCount"] for c in status) or NotYet("not yet started again")

    wait_for("a container that has ended", again, timeout=180, namespace=namespace)


def names(page: Path, namespace: Namespace) -> dict[str, str]:
    """Return what a reader of a page puts in for its placeholders."""
    here = dict.fromkeys(("NAMESPACE", "TEAM", "team-a"), namespace.name)
    about = next((name for kind, name in OF_KINDS.items() if page.stem.startswith(kind)), "default")
    found = {**NAMES, **here, "NAME": about, **OF_PAGES.get(page.stem, {})}
    if "POD" not in found:
        pods = namespace.list("pods", "tokenfleet.dev/router=default")
        found["POD"] = next(
            (p["metadata"]["name"] for p in pods if "deletionTimestamp" not in p["metadata"]), ""
        )
    return found


def test_a_new_users_hour(shell: Shell, reader: Namespace) -> None:
    """Install, pool, answer, objective, shift, upgrade, emergency stop, and an empty cluster again."""

    def shifted() -> bool | NotYet:
        seen = _events(reader, "TrafficShifted")
        return set(seen) == {"chat"} or NotYet(f"Events of {seen}")

    for block in pages.blocks(HOUR):
        if block.unfit:
            continue
        shell.run(block, names(HOUR, reader))
        if _makes_the_fleet(block):
            stand_in(reader)
        if "examples/pool-spare.yaml" in block.text:
            stand_in(reader, "chat-spare")
        if "--replicas=0" in block.text:
            wait_for("the Event of the shift", shifted, timeout=120, namespace=reader)

    def gone() -> bool | NotYet:
        left = reader.run("get", "tokenfleet,deployment,service,pod", "-o", "name").split()
        return not left or NotYet(f"still there: {', '.join(left)}")

    wait_for("what the fleet ran to end", gone, timeout=240, namespace=reader)
    kinds = reader.run("api-resources", "--api-group=tokenfleet.dev", "-o", "name")
    assert len(kinds.split()) == 4


def _events(namespace: Namespace, reason: str) -> list[str]:
    """Return the names of the objects that Events of a reason are about."""
    found = json.loads(
        namespace.run("get", "events", f"--field-selector=reason={reason}", "-o", "json")
    )
    return [event["involvedObject"]["name"] for event in found["items"]]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_commands_of_a_page_work(page: Path, shell: Shell, reader: Namespace) -> None:
    if page.stem == "ServingPoolRolloutStuck":
        ended(reader)
    with registry(shell.folder) if page.stem == "gitops" else nullcontext():
        for block in pages.blocks(page):
            if not block.unfit:
                shell.run(block, names(page, reader))
                if _makes_the_fleet(block):
                    stand_in(reader)


def _makes_the_fleet(block: Block) -> bool:
    return "examples/pool-cpu.yaml" in block.text and "kubectl apply" in block.text


def test_the_emergency_stop_changes_nothing_else(
    cluster: Cluster, shell: Shell, reader: Namespace
) -> None:
    """The address of Prometheus and the bounds of the operator's rights stay."""
    stop = next(
        block
        for block in pages.blocks(Path("operator/docs/quickstart.md"))
        if "trafficShifting.enabled=false" in block.text
    )
    before = chart.values(scrape="5s", tick="5s")
    chart.install(cluster, {**before, "watch": {"namespaces": [reader.name]}})
    held = chart.current_values(cluster)
    shell.run(stop, names(stop.page, reader))
    after = chart.current_values(cluster)

    assert after == {**held, "trafficShifting": {"enabled": False}}
    assert json.dumps(after["watch"]) == json.dumps({"namespaces": [reader.name]})
