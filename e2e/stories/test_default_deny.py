"""Everything denies by default: the policies that Tokenfleet offers open what it needs, no more."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.kit import chart, prometheus
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh, wait_account
from e2e.kit.proxy import ApiProxy
from e2e.kit.waiting import NotYet, wait_for
from e2e.load.pod import IMAGE, LoadRun
from e2e.stories import fleet as written
from e2e.stories.fleet import FALLBACK, PRIMARY, ROUTER, Fleet, finished

REFUSED = {"operator": set(), "router": set(), "client": {"api"}, "stranger": {"api"}}
"""Who reaches what while there is nothing but denials. Clients have a namespace without any, so that
what they do not reach is refused at its own door."""
DOCUMENTED = {
    "operator": {"agent", "prometheus", "api"},
    "router": {"pool", "api"},
    "client": {"traffic", "api"},
    "stranger": {"api"},
}
TRY = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def reached(one):
    host, port = one.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
    except OSError:
        return ""
    return one
with ThreadPoolExecutor() as threads:
    print(*filter(None, threads.map(reached, sys.argv[1:])))
"""

SCRAPED = 3
"""Pods of the fleet with metrics: two pools and a router."""

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody who takes part, each in a namespace of its own."""

    fleet: Fleet
    clients: Namespace
    operator: Namespace
    monitoring: Namespace

    def pods(self) -> dict[str, tuple[Namespace, Body]]:
        """Return one pod of everybody that others connect to."""
        here, door = self.fleet.namespace, f"tokenfleet.dev/router={ROUTER}"
        return {
            "operator": (self.operator, running(self.operator)),
            "router": (here, running(here, door)),
            "pool": (here, self.fleet.pods(PRIMARY)[0]),
            "prometheus": (self.monitoring, running(self.monitoring)),
            "client": (self.clients, self.clients.must_get("pod", "client")),
            "stranger": (self.clients, self.clients.must_get("pod", "stranger")),
        }


@pytest.fixture(scope="module", autouse=True)
def enforced(cluster: Cluster) -> Iterator[None]:
    """Have policies enforced; a user's own cluster has a network plugin for that."""
    if not cluster.builtin:
        yield
        return
    from e2e.cluster import network_policies  # noqa: PLC0415  Linux only; not needed elsewhere

    with network_policies.enforced():
        yield


@pytest.fixture
def cast(
    cluster: Cluster, proxy: ApiProxy, operator: Namespace, monitoring: Namespace
) -> Iterator[Cast]:
    """Return a fleet in a namespace that denied from its first moment, and those around it."""
    with fresh(cluster, "default-deny") as namespace, fresh(cluster, "clients") as clients:
        wait_account(clients)
        clients.apply(idle("client", {"app.kubernetes.io/name": "load"}), idle("stranger", {}))
        namespace.apply(policy("default-deny"))
        fleet = Fleet(namespace=namespace, proxy=proxy)
        fleet.apply(written.pool(PRIMARY), written.pool(FALLBACK), router(), written.route())
        for name in (PRIMARY, FALLBACK):
            fleet.wait("servingpool", name, "Ready")
        yield Cast(fleet, clients, operator, monitoring)


def test_the_policies_open_what_is_documented_and_nothing_else(
    cluster: Cluster, cast: Cast
) -> None:
    fleet = cast.fleet
    with denying(cast.operator), denying(cast.monitoring):
        wait_reached(cast, REFUSED)
        wait_scraped(cast, 0)

        with opened(cluster, cast):
            access = {"clients": [of_clients(cast)], "prometheus": [pods_of(cast.monitoring)]}
            fleet.apply(router(networkPolicy=access))
            fleet.wait_ready()
            wait_reached(cast, DOCUMENTED)
            wait_scraped(cast, 1)

            profile = written.profile(fleet.namespace.name, duration=600.0, rate=8.0)
            load = LoadRun(cast.clients, "load", profile).start().follow()
            fleet.breach()
            fleet.programmed()
            finished(load, at_least=20)


def router(**change: Any) -> Body:
    return written.router(managed={"replicas": 1, **change})


def idle(name: str, labels: dict[str, str]) -> Body:
    """Return a pod that waits to be told what to try."""
    container = {
        "name": "pod",
        "image": IMAGE,
        "command": ["sleep", "3600"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def policy(name: str, **rules: Any) -> Body:
    """Return a policy of all pods of its namespace; without rules it denies everything."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], **rules},
    }


def pods_of(namespace: Namespace) -> Body:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}}}


def of_clients(cast: Cast) -> Body:
    load = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "load"}}}
    return {**pods_of(cast.clients), **load}


@contextmanager
def denying(namespace: Namespace) -> Iterator[None]:
    namespace.apply(policy("default-deny"))
    try:
        yield
    finally:
        namespace.delete("networkpolicy", "default-deny")


@contextmanager
def opened(cluster: Cluster, cast: Cast) -> Iterator[None]:
    """Turn on what the chart offers, give Prometheus what it needs, and start both again.

    What was connected before a denial may stay connected.
    """
    before = chart.current_values(cluster)
    scrapers = [pods_of(cast.monitoring)]
    switch = {"enabled": True, "scrapers": scrapers, "prometheus": scrapers}
    theirs = policy(
        "prometheus",
        ingress=[{"from": [pods_of(cast.operator)], "ports": [{"port": 9090}]}],
        egress=[{"ports": [{"port": port} for port in (443, 6443, 8000, 8080, 9091)]}],
    )
    with ExitStack() as ending:
        ending.callback(chart.install, cluster, before)
        ending.callback(cast.monitoring.delete, "networkpolicy", "prometheus")
        cast.monitoring.apply(theirs)
        chart.install(cluster, {**before, "networkPolicy": switch})
        for namespace in (cast.operator, cast.monitoring):
            namespace.run("rollout", "restart", "deployment")
        for namespace in (cast.operator, cast.monitoring):
            namespace.run("rollout", "status", "deployment", "--timeout=180s", timeout=190)
        yield


def wait_reached(cast: Cast, wanted: Mapping[str, set[str]]) -> None:
    """Wait until everybody can connect to exactly what they should."""

    def probe() -> bool | NotYet:
        pods = cast.pods()
        address = {who: pod["status"].get("podIP", "") for who, (_, pod) in pods.items()}
        if not all(address.values()):
            return NotYet(f"a pod without an address: {address}")
        places = {
            f"{address['router']}:8080": "traffic",
            f"{address['router']}:9091": "agent",
            f"{address['pool']}:8000": "pool",
            f"{address['operator']}:8080": "metrics",
            f"{address['prometheus']}:9090": "prometheus",
            api_server(cast.operator): "api",
        }

        def reached(who: str) -> tuple[str, set[str]]:
            # What a pod reaches within itself takes no network.
            others = [place for place in places if not place.startswith(f"{address[who]}:")]
            namespace, pod = pods[who]
            container = "agent" if who == "router" else pod["spec"]["containers"][0]["name"]
            command = ("exec", pod["metadata"]["name"], "--container", container, "--")
            said = namespace.run(*command, "python3", "-c", TRY, *others)
            return who, {places[place] for place in said.split()}

        with ThreadPoolExecutor() as threads:
            found = dict(threads.map(reached, wanted))
        return found == wanted or NotYet(str(found))

    here = cast.fleet.namespace
    wait_for("everybody to reach what they should", probe, timeout=240, namespace=here)


def wait_scraped(cast: Cast, up: int) -> None:
    """Wait until Prometheus says the same of every pod of the fleet."""
    query = f'up{{namespace="{cast.fleet.namespace.name}"}}'

    def probe() -> bool | NotYet:
        found = {row["pod"]: value for row, value in prometheus.query(cast.monitoring, query)}
        whole = len(found) == SCRAPED and set(found.values()) == {up}
        return whole or NotYet(str(found))

    wait_for(f"up == {up}", probe, timeout=240, namespace=cast.fleet.namespace)


def running(namespace: Namespace, selector: str = "") -> Body:
    """Return a pod that runs and is to stay; wait for one."""

    def probe() -> Body | NotYet:
        for pod in namespace.list("pods", selector):
            if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]:
                return pod
        return NotYet("none")

    return wait_for(f"a pod {selector} to run", probe, timeout=180, namespace=namespace)


def api_server(namespace: Namespace) -> str:
    service = namespace.cluster.namespace("default").must_get("service", "kubernetes")
    return f"{service['spec']['clusterIP']}:443"
