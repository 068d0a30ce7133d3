"""One router pod without its cluster: an agent, an Envoy, and the world around them."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.integration.envoy.api_server import ApiServer as FakeApiServer
from tests.integration.envoy.model_server import ModelServer
from tests.integration.envoy.router import envoy_binary
from tests.support.tokens import token
from tokenfleet.agent.service import Agent
from tokenfleet.agent.settings import Settings
from tokenfleet.domain.routing.codec import Document, encode
from tokenfleet.domain.routing.ir import RouterConfig

CHAT = "/v1/chat/completions"


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

    async def kill_envoy(self) -> None:
        process = self.processes.pop()
        process.kill()
        await process.wait()

    async def stop_envoy(self) -> None:
        process = self.processes.pop()
        process.terminate()
        await process.wait()

    def write(self, config: RouterConfig) -> int:
        self.revision += 1
        self.api.config("default", encode(Document(revision=self.revision, config=config)))
        return self.revision

    async def configuration(self) -> httpx.Response:
        """Read the configuration back as the operator does."""
        proof = {"authorization": f"Bearer {token()}"}
        return await self.agent_client.get("/configuration", headers=proof)

    async def users(self) -> httpx.Response:
        """Read who used most as the operator does."""
        proof = {"authorization": f"Bearer {token()}"}
        return await self.agent_client.get("/users", headers=proof)

    async def acknowledgement(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.agent_client.get("/acknowledgement")).json()
        return answer

    async def applied(self, revision: int) -> None:
        await until(self.acknowledgement, lambda a: a["appliedRevision"] == revision)

    async def listens(self) -> None:
        """Wait until Envoy takes connections."""
        async with asyncio.timeout(60):
            while not await self._connects():
                await asyncio.sleep(0.02)

    async def _connects(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.settings.ports.traffic)
        except OSError:
            return False
        writer.close()
        return True

    async def clusters(self) -> str:
        """Return what Envoy knows of its pools' replicas."""
        async with httpx.AsyncClient(timeout=60) as client:
            admin = f"http://127.0.0.1:{self.settings.ports.admin}/clusters"
            return (await client.get(admin)).text

    async def pool(self) -> str:
        response = await self.client.post(CHAT, json={"model": "chat"})
        assert response.status_code == 200, response.text
        return response.headers["x-tokenfleet-served-by"].partition(";")[0].split("/")[2]


async def until(
    ask: Callable[[], Any], condition: Callable[[Any], bool], within: float = 90
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
