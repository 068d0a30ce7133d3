"""A router on the real Envoy, with two pools of one replica each."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.envoy.configuration import Endpoints, configuration
from tests.integration.envoy.model_server import ModelServer
from tests.integration.envoy.router import Router
from tokenfleet.adapters.envoy.exposition import STATS_FILTER, translate
from tokenfleet.domain.routing.ir import RouterConfig

CHAT = "/v1/chat/completions"


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
        answer = await self.router.admin.get("/stats/prometheus", params={"filter": STATS_FILTER})
        lines = translate(answer.text, early=frozenset())
        return {
            name: float(value)
            for name, _, value in (
                line.rpartition(" ") for line in lines if not line.startswith("#")
            )
        }


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    large, small = ModelServer("large"), ModelServer("small")
    await large.start()
    await small.start()
    router = Router(tmp_path)
    async with httpx.AsyncClient(base_url=router.url, timeout=30) as client:
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
