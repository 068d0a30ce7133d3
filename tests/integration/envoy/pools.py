"""A router over two pools of scripted replicas, and what it counts."""

import asyncio
import re
from dataclasses import dataclass, field

from tests.integration.envoy.replica import Json
from tests.integration.envoy.router import Router
from tests.integration.envoy.scripted import Scripted, Seen, ask
from tokenfleet.adapters.envoy.module import METRICS_PATH
from tokenfleet.domain.routing.ir import RouterConfig

OUTCOME = re.compile(
    r'^tokenfleet_attempts_total\{.*pool="(\w+)".*outcome="(\w+)"\} ([1-9]\d*)$', re.MULTILINE
)
UNDER_WAY = re.compile(r"^tokenfleet_inflight\{.*\} [1-9]", re.MULTILINE)


@dataclass
class Pools:
    """A router over two pools of scripted replicas."""

    router: Router
    large: list[Scripted] = field(default_factory=lambda: [Scripted()])
    small: list[Scripted] = field(default_factory=lambda: [Scripted()])

    async def serve(self, config: RouterConfig) -> None:
        pools = {"large": self.large, "small": self.small}
        ends = {name: tuple(("127.0.0.1", s.port) for s in all_) for name, all_ in pools.items()}
        self.router.publish(config, ends)
        await self.router.start()
        await self.router.applied()

    async def ask(self, body: Json | None = None, **options: object) -> Seen:
        asked = {"model": "chat", "stream": True, "messages": [], **(body or {})}
        return await ask(self.router.ports.traffic, asked, **options)  # type: ignore[arg-type]

    async def metrics(self) -> str:
        return (await self.router.admin.get(METRICS_PATH)).text

    async def outcomes(self) -> list[tuple[str, str]]:
        """Pool and outcome of every attempt so far, once all have ended."""
        async with asyncio.timeout(60):
            while UNDER_WAY.search(text := await self.metrics()):
                await asyncio.sleep(0.02)
        found = [(m[1], m[2]) for m in OUTCOME.finditer(text) for _ in range(int(m[3]))]
        return sorted(found)

    async def reaches(self, least: float, name: str, *labels: str) -> None:
        """Wait until a value is that high."""
        async with asyncio.timeout(60):
            while await self.value(name, *labels) < least:
                await asyncio.sleep(0.02)

    async def value(self, name: str, *labels: str) -> float:
        lines = (line for line in (await self.metrics()).splitlines() if line.startswith(name))
        matching = [line for line in lines if all(label in line for label in labels)]
        return sum(float(line.rpartition(" ")[2]) for line in matching)
