"""A router under test: the real Envoy binary, fed with files rendered from a configuration."""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import httpx

from e2e.cluster import software
from e2e.cluster.module import router_module
from e2e.kit.ports import free_port
from tokenfleet.adapters.envoy.bootstrap import Files, Limits, bootstrap
from tokenfleet.adapters.envoy.module import SEARCH_PATH
from tokenfleet.adapters.envoy.render import discovery_response, render
from tokenfleet.adapters.envoy.wire import Ports, canonical
from tokenfleet.domain.routing.ir import RouterConfig


def envoy_binary() -> Path:
    """Return the Envoy binary, the one that the cluster runs; installed into the cache once."""
    given = os.environ.get("TOKENFLEET_ENVOY")
    return Path(given) if given else software.envoy()


def module_folder() -> Path:
    """Return the folder with the native module, built from this working tree."""
    if given := os.environ.get(SEARCH_PATH):
        return Path(given)
    return router_module(Path(__file__).parents[3])


class Router:
    """One Envoy with its files in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = Ports(host="127.0.0.1", traffic=free_port(), admin=free_port())
        self.url = f"http://127.0.0.1:{self.ports.traffic}"
        self.limits = Limits()
        self.workers = 1
        self.forget_ms: int | None = None
        """How long counts outlive the last plan that names them; the module's own limit if `None`."""
        self.version = 0
        self.process: asyncio.subprocess.Process | None = None
        self.admin = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.ports.admin}", timeout=60)

    def publish(
        self, config: RouterConfig, endpoints: Mapping[str, tuple[tuple[str, int], ...]]
    ) -> None:
        """Write the three files, clusters first."""
        self.version += 1
        resources = render(config, endpoints, rds_path=str(self._file("rds")), ports=self.ports)
        for name, kind in (("cds", "clusters"), ("rds", "routes"), ("lds", "listeners")):
            if name == "lds" and self.version > 1:
                continue
            part = self.folder / f"{name}.part"
            part.write_text(discovery_response(kind, getattr(resources, kind), str(self.version)))
            part.rename(self._file(name))

    async def start(self) -> None:
        files = Files(
            lds=str(self._file("lds")), cds=str(self._file("cds")), rds=str(self._file("rds"))
        )
        boot = self.folder / "bootstrap.json"
        text = canonical(bootstrap(files, self.limits, admin_port=self.ports.admin))
        if self.forget_ms is not None:
            text = text.replace(r"{\"bodies\"", rf"{{\"forget_ms\":{self.forget_ms},\"bodies\"")
            assert "forget_ms" in text
        boot.write_text(text)
        with (self.folder / "envoy.log").open("w") as log:
            self.process = await asyncio.create_subprocess_exec(
                envoy_binary(), "-c", boot, "--disable-hot-restart", "--concurrency", str(self.workers),
                "--log-level", "warning", "--component-log-level", "misc:error,dynamic_modules:info",
                "--drain-time-s", "5",
                env={**os.environ, SEARCH_PATH: str(module_folder())}, stdout=log, stderr=log,
            )  # fmt: skip
        async with asyncio.timeout(120):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await self.admin.get("/ready")).text.startswith("LIVE"):
                        return
                if self.process.returncode is not None:
                    raise AssertionError(self.log())
                await asyncio.sleep(0.05)

    async def applied(self) -> None:
        """Wait until Envoy runs the newest route table and clusters."""
        async with asyncio.timeout(120):
            while True:
                stats = (await self.admin.get("/stats?filter=version_text")).text
                names = ("cluster_manager.cds", "http.traffic.rds.traffic")
                if all(f'{name}.version_text: "{self.version}"' in stats for name in names):
                    return
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        await self.admin.aclose()
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    def log(self) -> str:
        return (self.folder / "envoy.log").read_text()

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"
