"""What of the environment counts for the way to the API server."""

from pathlib import Path

import pytest

from tests.unit.cli.odd_servers import EMPTY_LIST, kubeconfig, serving
from tokenfleet.adapters.kubernetes import KubernetesCluster, connect
from tokenfleet.reconcilers.resources import BY_KIND

POOL = BY_KIND["ServingPool"]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def pools(kubeconfig: str) -> list[object]:
    cluster = KubernetesCluster(await connect(kubeconfig), [POOL])
    try:
        return [*await cluster.list(POOL)]
    finally:
        await cluster.close()


async def test_a_proxy_of_the_environment_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({"": EMPTY_LIST}) as proxy:
        monkeypatch.setenv("http_proxy", proxy)

        assert await pools(kubeconfig("http://nowhere.invalid", tmp_path)) == []


async def test_a_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be at each request."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ann password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))

    with serving({"": EMPTY_LIST}) as server:
        assert await pools(kubeconfig(server, tmp_path)) == []
