"""One API server for all tests of the API: the cluster of KUBECONFIG, else the built-in one."""

from collections.abc import Iterator

import pytest

from e2e.kit.clusters import connect
from e2e.kit.kubectl import Cluster
from e2e.kit.namespaces import fresh
from tests.integration.api.server import ApiServer, install_crds


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """Return a cluster that serves the generated CRDs."""
    found = connect()
    install_crds(found)
    return found


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[ApiServer]:
    """Return the API server, with a fresh namespace."""
    with fresh(cluster, "tokenfleet-api") as namespace, ApiServer(namespace) as server:
        yield server
