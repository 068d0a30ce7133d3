"""The agent with a real Envoy, and an API server that comes and goes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.envoy.api_server import ApiServer as FakeApiServer
from tests.integration.envoy.configuration import attempts, configuration, shifted
from tests.integration.envoy.conftest import CHAT
from tests.integration.envoy.model_server import Behaviour, ModelServer
from tests.integration.envoy.router import envoy_binary, free_port
from tokenfleet.adapters.envoy.bootstrap import Limits
from tokenfleet.adapters.envoy.wire import Ports
from tokenfleet.agent.drain import drain
from tokenfleet.agent.envoy import Admin
from tokenfleet.agent.service import Agent
from tokenfleet.agent.settings import ApiServer, Settings
from tokenfleet.domain.routing.codec import Document, encode
from tokenfleet.domain.routing.ir import RouterConfig

pytestmark = pytest.mark.envoy

CONFIG = configuration({"large": 1000, "small": 0})


@dataclass
class Pod:
    """One router pod, and the world around it."""

    settings: Settings
    api: FakeApiServer
    large: ModelServer
    small: ModelServer
    client: httpx.AsyncClient
    agent_client: httpx.AsyncClient
    revision: int = 0
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start_agent(self) -> None:
        self.tasks.append(asyncio.create_task(Agent(self.settings).run()))

    async def stop_agent(self) -> None:
        task = self.tasks.pop()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def start_envoy(self) -> None:
        while not (self.settings.folder / "bootstrap.json").exists():
            await asyncio.sleep(0.02)
        with (self.settings.folder / "envoy.log").open("a") as log:
            self.processes.append(
                await asyncio.create_subprocess_exec(
                    envoy_binary(),
                    "-c",
                    self.settings.folder / "bootstrap.json",
                    "--disable-hot-restart",
                    "--concurrency",
                    "1",
                    "--log-level",
                    "warning",
                    "--drain-strategy",
                    "immediate",
                    "--drain-time-s",
                    "30",
                    stdout=log,
                    stderr=log,
                )
            )

    async def stop_envoy(self) -> None:
        process = self.processes.pop()
        process.terminate()
        await process.wait()

    def write(self, config: RouterConfig) -> int:
        self.revision += 1
        self.api.config("default", encode(Document(revision=self.revision, config=config)))
        return self.revision

    async def acknowledgement(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.agent_client.get("/acknowledgement")).json()
        return answer

    async def applied(self, revision: int) -> None:
        await until(self.acknowledgement, lambda a: a["appliedRevision"] == revision)

    async def pool(self) -> str:
        response = await self.client.post(CHAT, json={"model": "chat"})
        assert response.status_code == 200, response.text
        return response.headers["x-tokenfleet-pool"]


async def until(
    ask: Callable[[], Any], condition: Callable[[Any], bool], within: float = 40
) -> Any:
    deadline = time.monotonic() + within
    answer: Any = None
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            answer = await ask()
            if condition(answer):
                return answer
        await asyncio.sleep(0.02)
    raise AssertionError(answer)


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Pod]:
    large, small, api = ModelServer("large"), ModelServer("small"), FakeApiServer()
    for server in (large, small, api):
        await server.start()
    api.endpoints("large", [large.port])
    api.endpoints("small", [small.port])
    ports = Ports(host="127.0.0.1", traffic=free_port(), admin=free_port())
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
        api=ApiServer(url=api.url, ca_file=None, token_file=None),
    )
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports.traffic}", timeout=20) as client,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.listen_port}") as agent_client,
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
    pod.write(CONFIG)
    await pod.applied(1)
    return pod


async def ready(pod: Pod) -> int:
    return (await pod.agent_client.get("/readyz")).status_code


async def test_a_pod_is_ready_when_envoy_runs_a_published_configuration(pod: Pod) -> None:
    pod.start_agent()
    await until(lambda: pod.agent_client.get("/healthz"), lambda a: a.status_code == 200)
    await pod.start_envoy()
    await until(lambda: pod.client.get("/v1/models"), lambda a: a.json()["data"] == [])
    assert await ready(pod) == 503
    assert (await pod.agent_client.get("/configuration")).status_code == 204

    pod.write(CONFIG)

    await pod.applied(1)
    assert await ready(pod) == 200
    assert await pod.pool() == "large"
    assert (await pod.acknowledgement())["pod"] == "default-router-1"
    await pod.stop_envoy()
    assert await ready(pod) == 503


async def test_a_new_revision_is_acknowledged_and_can_be_read_back(running: Pod) -> None:
    await running.applied(running.write(shifted(CONFIG, {"large": 0, "small": 1000})))

    assert await running.pool() == "small"
    held = (await running.agent_client.get("/configuration")).json()
    assert held == running.api.objects["configmaps"]["default-config"]["data"]


async def test_endpoints_follow_their_slices(running: Pod) -> None:
    running.api.endpoints("large", [])
    await until(running.pool, lambda pool: pool == "small")

    running.api.endpoints("large", [running.large.port])
    await until(running.pool, lambda pool: pool == "large")

    assert (await running.acknowledgement())["appliedRevision"] == 1


async def test_the_last_replica_of_a_rollout_serves_while_it_terminates(running: Pod) -> None:
    running.api.endpoints("large", [running.large.port], terminating=True)
    await asyncio.sleep(0.3)

    assert await running.pool() == "large"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("garbage", id="no JSON"),
        pytest.param(encode(Document(revision=2, config=CONFIG)).replace('"schemaVersion":', '"schemaVersion":99'), id="a schema of the future"),
        pytest.param(encode(Document(revision=2, config=attempts(CONFIG, 0))), id="what Envoy refuses"),
    ],
)  # fmt: skip
async def test_a_bad_configuration_leaves_the_last_good_one(running: Pod, text: str) -> None:
    running.api.config("default", text)

    answer = await until(running.acknowledgement, lambda a: a["error"] != "")
    assert answer["appliedRevision"] == 1
    assert await running.pool() == "large"
    running.api.endpoints("large", [])
    await until(running.pool, lambda pool: pool == "small")

    running.revision = 2
    await running.applied(running.write(CONFIG))
    assert (await running.acknowledgement())["error"] == ""


async def test_what_envoy_itself_rejects_is_taken_back(pod: Pod) -> None:
    """The binary's word is asked first; here it says yes to everything, and Envoy does not."""
    pod.settings = replace(pod.settings, envoy="true")
    pod.start_agent()
    await pod.start_envoy()
    pod.write(CONFIG)
    await pod.applied(1)

    pod.write(attempts(CONFIG, 0))

    answer = await until(pod.acknowledgement, lambda a: a["error"] != "")
    assert "rejected" in answer["error"]
    assert answer["appliedRevision"] == 1
    assert await pod.pool() == "large"
    await pod.stop_envoy()
    await pod.start_envoy()
    await until(pod.pool, lambda pool: pool == "large")


async def test_a_deleted_configuration_is_a_loss_and_not_a_wish(running: Pod) -> None:
    running.api.delete("configmaps", "default-config")
    await asyncio.sleep(0.5)

    assert await running.pool() == "large"
    assert (await running.agent_client.get("/configuration")).status_code == 200


async def test_without_the_api_server_traffic_goes_on_and_changes_come_after(running: Pod) -> None:
    await running.api.stop()
    await asyncio.sleep(0.5)
    assert await running.pool() == "large"
    assert await ready(running) == 200
    assert "tokenfleet_router_api_reached 0" in (await running.agent_client.get("/metrics")).text

    revision = running.write(shifted(CONFIG, {"large": 0, "small": 1000}))
    await running.api.start()

    await running.applied(revision)
    assert await running.pool() == "small"


async def test_an_expired_watch_is_listed_again(running: Pod) -> None:
    lists = running.api.lists
    running.api.expire_watches()

    await until(lambda: asyncio.sleep(0, running.api.lists), lambda n: n >= lists + 2)
    await running.applied(running.write(shifted(CONFIG, {"large": 0, "small": 1000})))


async def test_a_restarted_pod_serves_the_last_good_without_the_api_server(running: Pod) -> None:
    await running.api.stop()
    await running.stop_agent()
    await running.stop_envoy()

    running.start_agent()
    await until(lambda: running.agent_client.get("/healthz"), lambda a: a.status_code == 200)
    await running.start_envoy()

    await until(running.pool, lambda pool: pool == "large")
    assert (await running.acknowledgement())["appliedRevision"] == 1


async def test_an_agent_that_restarts_beside_a_running_envoy_disturbs_nothing(running: Pod) -> None:
    running.large.behaviour = Behaviour(chunks=20, gap=0.1)
    stream = asyncio.create_task(running.client.post(CHAT, json={"model": "chat", "stream": True}))
    await asyncio.sleep(0.3)

    await running.stop_agent()
    running.start_agent()
    await running.applied(1)

    assert (await stream).text.endswith("data: [DONE]\n\n")


async def test_pools_come_and_go_without_a_failed_request(running: Pod) -> None:
    """A cluster must be there before its route, and leave after it."""
    stop = asyncio.Event()
    statuses: set[int] = set()

    async def load() -> None:
        while not stop.is_set():
            statuses.add((await running.client.post(CHAT, json={"model": "chat"})).status_code)

    workers = [asyncio.create_task(load()) for _ in range(2)]
    (route,) = CONFIG.routes
    only_small = replace(
        CONFIG,
        pools=CONFIG.pools[1:],
        routes=(replace(route, rules=(replace(route.rules[0], matches=()),)),),
    )
    for number in range(10):
        await running.applied(running.write(only_small if number % 2 else CONFIG))
    stop.set()
    await asyncio.gather(*workers)

    assert statuses == {200}


async def test_a_changed_listener_lets_running_streams_finish(running: Pod) -> None:
    """Attribution and the body limit are part of the listener, which Envoy drains when it changes."""
    running.large.behaviour = Behaviour(chunks=25, gap=0.1)
    begun = asyncio.Event()

    async def streamed() -> str:
        parts = []
        body = {"model": "chat", "stream": True}
        async with running.client.stream("POST", CHAT, json=body) as answer:
            async for part in answer.aiter_text():
                begun.set()
                parts.append(part)
        return "".join(parts)

    stream = asyncio.create_task(streamed())
    await asyncio.wait_for(begun.wait(), 30)
    renamed = replace(CONFIG, attribution=replace(CONFIG.attribution, feature="x-team"))

    await running.applied(running.write(renamed))

    async def fast() -> str:
        async with httpx.AsyncClient(base_url=running.client.base_url) as fresh:
            answer = await fresh.post(
                CHAT, json={"model": "chat"}, headers={"x-team": "suggestions"}
            )
            return answer.headers["x-tokenfleet-rule"]

    await until(fast, lambda rule: rule == "fast")
    assert (await stream).endswith("data: [DONE]\n\n")


async def test_metrics_fail_without_envoy(running: Pod) -> None:
    """An empty scrape would read as a reset of every counter."""
    assert (await running.agent_client.get("/metrics")).status_code == 200
    await running.stop_envoy()

    assert (await running.agent_client.get("/metrics")).status_code == 503


async def test_draining_waits_for_streams_and_sends_clients_away(running: Pod) -> None:
    running.large.behaviour = Behaviour(chunks=70, gap=0.1)
    stream = asyncio.create_task(running.client.post(CHAT, json={"model": "chat", "stream": True}))
    await asyncio.sleep(0.5)
    admin = Admin(running.settings.ports.admin)
    started = time.monotonic()
    draining = asyncio.create_task(drain(admin, timedelta(seconds=20)))
    await asyncio.sleep(0.5)

    during = await running.client.post(CHAT, json={"model": "chat"})

    assert during.status_code == 200
    assert during.headers["connection"] == "close"
    await draining
    assert time.monotonic() - started > 5
    assert stream.done()
    assert stream.result().text.endswith("data: [DONE]\n\n")
    await admin.close()
