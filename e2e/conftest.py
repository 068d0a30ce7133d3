"""What stories share: one cluster, one Prometheus and one operator per session."""

from collections.abc import Iterator

import pytest

from e2e.kit import chart, prometheus
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
    prometheus.install(namespace, interval=SCRAPE)
    yield namespace
    prometheus.remove(namespace)


@pytest.fixture(scope="session")
def operator(cluster: Cluster, monitoring: Namespace) -> Iterator[Namespace]:
    """Return the namespace of the operator, installed by its chart."""
    assert monitoring
    yield chart.install(cluster, chart.values(scrape=SCRAPE, tick=TICK))
    chart.uninstall(cluster)
