"""A router on the real Envoy, with two pools of one replica each."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.kit.ports import free_port
from tests.integration.envoy.api_server import ApiServer as FakeApiServer
from tests.integration.envoy.configuration import Endpoints, configuration
from tests.integration.envoy.model_server import ModelServer
from tests.integration.envoy.pods import CHAT, Pod
from tests.integration.envoy.pools import Pools
from tests.integration.envoy.router import Router, envoy_binary, module_folder
from tests.support.tokens import OPERATOR, token
from tokenfleet.adapters.envoy.bootstrap import Limits
from tokenfleet.adapters.envoy.module import METRICS_PATH, SEARCH_PATH
from tokenfleet.adapters.envoy.wire import Ports
from tokenfleet.agent.settings import ApiServer, Settings
from tokenfleet.domain.routing.ir import RouterConfig


@dataclass
class Fleet:
    """What a test talks to."""

    router: Router
    client: httpx.AsyncClient
    large: ModelServer
    small: ModelServer
    gone: set[str] = field(default_factory=set)

    @property
    def endpoints(self) -> Endpoints:
        servers = {"large": self.large, "small": self.small}
        return {
            name: (("127.0.0.1", s.port),) for name, s in servers.items() if name not in self.gone
        }

    async def serve(self, config: RouterConfig) -> None:
        """Bring a configuration into force; the first one starts Envoy."""
        self.router.publish(config, self.endpoints)
        if self.router.process is None:
            await self.router.start()
        await self.router.applied()

    async def ask(self, *, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        return await self.client.post(
            CHAT, json={"model": "chat", "messages": [], **body}, headers=headers
        )

    async def metrics(self) -> dict[str, float]:
        """Return Tokenfleet's metrics, labels in the order of the exposition."""
        text = (await self.router.admin.get(METRICS_PATH)).text
        assert text.endswith("\n")
        samples = (line for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in samples)}


def served_by(response: httpx.Response) -> tuple[str, str, str, int]:
    """Return route, rule, pool and attempts, as an answer says."""
    way, _, attempts = response.headers["x-tokenfleet-served-by"].partition(";attempts=")
    route, rule, pool = way.split("/")
    return route, rule, pool, int(attempts)


def pool_of(response: httpx.Response) -> str:
    """Return the pool that gave a good answer."""
    assert response.status_code == 200, response.text
    return served_by(response)[2]


@pytest.fixture(scope="session", autouse=True)
def native_module() -> Iterator[None]:
    """Every Envoy of these tests, validating or serving, finds the module of this working tree."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SEARCH_PATH, str(module_folder()))
        yield


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    large, small = ModelServer("large"), ModelServer("small")
    await large.start()
    await small.start()
    router = Router(tmp_path)
    async with httpx.AsyncClient(base_url=router.url, timeout=60) as client:
        try:
            yield Fleet(router, client, large, small)
        finally:
            await router.stop()
            await large.stop()
            await small.stop()


@pytest.fixture
async def serving(fleet: Fleet) -> Fleet:
    """The fleet with everything on the large pool, and the small one standing in."""
    await fleet.serve(configuration({"large": 1000, "small": 0}))
    return fleet


@pytest.fixture
async def pools(tmp_path: Path) -> AsyncIterator[Pools]:
    pools = Pools(Router(tmp_path))
    async with AsyncExitStack() as stack:
        for server in (*pools.large, *pools.small):
            await stack.enter_async_context(server.serving())
        try:
            yield pools
        finally:
            await pools.router.stop()


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Pod]:
    large, small, api = ModelServer("large"), ModelServer("small"), FakeApiServer()
    for server in (large, small, api):
        await server.start()
    api.endpoints("large", [large.port])
    api.endpoints("small", [small.port])
    ports = Ports(host="127.0.0.1", traffic=free_port(), admin=free_port())
    own = tmp_path / "token"
    own.write_text(token(sub="system:serviceaccount:default:default-router"))
    settings = Settings(
        router="default",
        namespace="default",
        pod="default-router-1",
        folder=tmp_path,
        envoy=str(envoy_binary()),
        ports=ports,
        limits=Limits(),
        listen_host="127.0.0.1",
        listen_port=free_port(),
        api=ApiServer(url=api.url, ca_file=None, token_file=own),
        operator=OPERATOR,
    )
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports.traffic}", timeout=60) as client,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.listen_port}", timeout=60
        ) as agent_client,
    ):
        pod = Pod(settings, api, large, small, client, agent_client)
        try:
            yield pod
        finally:
            for _ in pod.tasks[:]:
                await pod.stop_agent()
            for _ in pod.processes[:]:
                await pod.stop_envoy()
            for server in (large, small, api):
                await server.stop()


@pytest.fixture
async def running(pod: Pod) -> Pod:
    """A pod that serves revision 1."""
    pod.start_agent()
    await pod.start_envoy()
    pod.write(configuration({"large": 1000, "small": 0}))
    await pod.applied(1)
    await pod.listens()  # what an Envoy reads when it starts is in force before that
    return pod
