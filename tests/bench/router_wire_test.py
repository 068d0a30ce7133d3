"""From a decision in `<router>-config` to the wire: the agent's whole path, under load.

With `KUBECONFIG` set the ConfigMap lies in that cluster and is watched through it; otherwise in an
API server of this test, which leaves out etcd and the network.
"""

import asyncio
import contextlib
import os
import socket
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from e2e.kit.ports import free_port
from tests.bench.figures import record
from tests.integration.envoy.api_server import ApiServer as FakeApiServer
from tests.integration.envoy.configuration import configuration, shifted
from tests.integration.envoy.conftest import pool_of
from tests.integration.envoy.model_server import ModelServer
from tests.integration.envoy.router import envoy_binary
from tokenfleet.adapters.envoy.bootstrap import Limits
from tokenfleet.adapters.envoy.wire import Ports
from tokenfleet.agent.service import Agent
from tokenfleet.agent.settings import ApiServer, Settings
from tokenfleet.domain.routing.codec import Document, encode
from tokenfleet.domain.routing.ir import RouterConfig

pytestmark = pytest.mark.envoy

CHANGES = 100
NAMESPACE = "tokenfleet-bench"


def own_address() -> str:
    """Return an address of this machine that is not the loopback, which EndpointSlices refuse."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])


class OwnApiServer:
    """The API server of the integration tests."""

    host = "127.0.0.1"
    namespace = "default"

    def __init__(self) -> None:
        self._fake = FakeApiServer()

    @property
    def url(self) -> str:
        return self._fake.url

    async def start(self) -> None:
        await self._fake.start()

    async def endpoints(self, service: str, port: int) -> None:
        self._fake.endpoints(service, [port])

    async def config(self, text: str) -> None:
        self._fake.config("default", text)

    async def stop(self) -> None:
        await self._fake.stop()


class RealApiServer:
    """A namespace of the cluster, through `kubectl proxy`."""

    namespace = NAMESPACE

    def __init__(self) -> None:
        self.host = own_address()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.AsyncClient(base_url=self.url, timeout=20)
        self.proxy: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.proxy = await asyncio.create_subprocess_exec(
            "kubectl", "proxy", f"--port={self.port}", stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    await self.client.post(
                        "/api/v1/namespaces", json={"metadata": {"name": NAMESPACE}}
                    )
                    return
                await asyncio.sleep(0.1)

    async def endpoints(self, service: str, port: int) -> None:
        body = {
            "metadata": {"name": service, "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": port}],
            "endpoints": [{"addresses": [own_address()], "conditions": {"ready": True}}],
        }
        await self._put("/apis/discovery.k8s.io/v1", "endpointslices", body)

    async def config(self, text: str) -> None:
        await self._put(
            "/api/v1",
            "configmaps",
            {"metadata": {"name": "default-config"}, "data": {"config": text}},
        )

    async def stop(self) -> None:
        await self.client.delete(f"/api/v1/namespaces/{NAMESPACE}")
        await self.client.aclose()
        if self.proxy is not None:
            self.proxy.terminate()
            await self.proxy.wait()

    async def _put(self, group: str, kind: str, body: dict[str, object]) -> None:
        path = f"{group}/namespaces/{NAMESPACE}/{kind}"
        name = body["metadata"]["name"]  # type: ignore[index]
        answer = await self.client.put(f"{path}/{name}", json=body)
        if answer.status_code == 404:
            answer = await self.client.post(path, json=body)
        answer.raise_for_status()


def counted(folder: Path) -> Path:
    """Return a program that is Envoy, and writes a line into `asked` whenever it is run."""
    program = folder / "counted"
    program.write_text(f'#!/bin/sh\necho asked >>{folder}/asked\nexec {envoy_binary()} "$@"\n')
    program.chmod(0o755)
    return program


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[OwnApiServer | RealApiServer, Ports]]:
    """An agent, its Envoy, and two pools of one replica."""
    api = RealApiServer() if os.environ.get("KUBECONFIG") else OwnApiServer()
    servers = [ModelServer(name, host=api.host) for name in ("large", "small")]
    ports = Ports(host="127.0.0.1", traffic=free_port(), admin=free_port())
    async with contextlib.AsyncExitStack() as stack:
        await api.start()
        stack.push_async_callback(api.stop)
        for server in servers:
            await server.start()
            stack.push_async_callback(server.stop)
            await api.endpoints(server.name, server.port)
        settings = Settings(
            router="default",
            namespace=api.namespace,
            pod="bench",
            folder=folder,
            envoy=str(counted(folder)),
            ports=ports,
            limits=Limits(),
            listen_host="127.0.0.1",
            listen_port=free_port(),
            api=ApiServer(url=api.url, ca_file=None, token_file=None),
        )
        agent = asyncio.create_task(Agent(settings).run())
        stack.callback(agent.cancel)
        while not (folder / "bootstrap.json").exists():
            await asyncio.sleep(0.05)
        envoy = await asyncio.create_subprocess_exec(
            envoy_binary(), "-c", folder / "bootstrap.json", "--disable-hot-restart",
            "--concurrency", "1", "--log-level", "critical",
        )  # fmt: skip
        stack.push_async_callback(envoy.wait)
        stack.callback(envoy.terminate)
        yield api, ports


async def test_decision_to_wire(tmp_path: Path) -> None:
    """Every change moves all conversations, so that the next answer shows whether it is in force.

    How long that takes is told, not judged: it is the machine's as much as the router's.
    """
    asked = tmp_path / "asked"
    async with (
        serving(tmp_path) as (api, ports),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports.traffic}", timeout=20) as client,
    ):
        config: RouterConfig = configuration({"large": 1000, "small": 0})
        await api.config(encode(Document(revision=1, config=config)))
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get("/v1/models")).json().get("data"):
                        break
                await asyncio.sleep(0.05)
        wanted, changed = "large", time.perf_counter()
        first: float | None = None
        statuses: dict[int, int] = {}
        stop = asyncio.Event()

        async def load() -> None:
            nonlocal first
            while not stop.is_set():
                answer = await client.post("/v1/chat/completions", json={"model": "chat"})
                statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
                if first is None and answer.status_code == 200 and pool_of(answer) == wanted:
                    first = time.perf_counter()

        workers = [asyncio.create_task(load()) for _ in range(3)]
        took: list[float] = []
        for number in range(CHANGES):
            pools = ("small", "large") if number % 2 == 0 else ("large", "small")
            config = shifted(config, {pools[0]: 1000, pools[1]: 0})
            wanted, first, changed = pools[0], None, time.perf_counter()
            await api.config(encode(Document(revision=number + 2, config=config)))
            async with asyncio.timeout(60):
                while first is None:
                    await asyncio.sleep(0.005)
            took.append(first - changed)
        stop.set()
        await asyncio.gather(*workers)

    took.sort()
    p99 = took[int(CHANGES * 0.99) - 1]
    print(
        f"\n{CHANGES} changes with {type(api).__name__}: decision to wire p50"
        f" {statistics.median(took) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, max {took[-1] * 1e3:.0f} ms"
        f" (to reach: p99 1000 ms); {sum(statuses.values())} requests,"
        f" {sum(n for status, n in statuses.items() if status != 200)} failed"
    )
    record(
        "decision to wire",
        {
            "changes": CHANGES,
            "p50_ms": round(statistics.median(took) * 1e3),
            "p99_ms": round(p99 * 1e3),
            "requests": sum(statuses.values()),
            "failed": sum(n for status, n in statuses.items() if status != 200),
        },
    )
    assert set(statuses) == {200}
    # What makes a decision quick: it waits for no process. Envoy's binary was asked about the module,
    # and about the first configuration.
    assert asked.read_text().splitlines() == ["asked"] * 2
