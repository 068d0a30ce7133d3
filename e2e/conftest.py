"""What stories share, in all processes that run them: one cluster, one Prometheus, one operator."""

from collections.abc import Iterator

import pytest

from e2e.kit import chart, locks, prometheus
from e2e.kit.clusters import connect
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.proxy import ApiProxy

SCRAPE = "2s"
"""Short, so that control windows and with them the stories can be short."""
TICK = "2s"


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """Return the cluster of KUBECONFIG, else the built-in one, brought up."""
    return connect()


@pytest.fixture(scope="session")
def proxy(cluster: Cluster) -> Iterator[ApiProxy]:
    """Return the API on loopback."""
    with ApiProxy(cluster) as opened:
        yield opened


@pytest.fixture(scope="session")
def monitoring(cluster: Cluster) -> Iterator[Namespace]:
    """Return the namespace of a Prometheus that scrapes every annotated pod."""
    namespace = cluster.namespace(prometheus.NAMESPACE)
    with locks.in_common(
        cluster,
        "monitoring",
        make=lambda: prometheus.install(namespace, interval=SCRAPE),
        remove=lambda: prometheus.remove(namespace),
    ):
        yield namespace


@pytest.fixture(scope="session")
def operator(cluster: Cluster, monitoring: Namespace) -> Iterator[Namespace]:
    """Return the namespace of the operator, installed by its chart."""
    assert monitoring
    with locks.in_common(
        cluster,
        "operator",
        make=lambda: chart.install(cluster, chart.values(scrape=SCRAPE, tick=TICK)),
        remove=lambda: chart.uninstall(cluster),
    ):
        yield cluster.namespace(chart.NAMESPACE)
