"""The Envoy beside the agent: its admin interface, and its binary as a validator."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tokenfleet.adapters.envoy.module import ABI_LOG_LEVEL, METRICS_PATH, USERS_PATH, abi_problem

VALIDATION_SECONDS: Final = 60.0
"""Longest validation; one of 1,000 rules takes 1 s on an idle core, 7 s on a starved one."""
_VERSION: Final = re.compile(r'^(.*)\.version_text: "(.*)"$', re.MULTILINE)
_REJECTED: Final = re.compile(r"^(.*)\.update_(?:rejected|failure): (\d+)$", re.MULTILINE)
_WARMING: Final = re.compile(r"^cluster_manager\.warming_clusters: (\d+)$", re.MULTILINE)
_REASON: Final = re.compile(r"error initializing configuration .*?: (.*?)(\): [{a-z]|$)", re.DOTALL)
_MODULE_REASON: Final = re.compile(r"\] tokenfleet: (.*)$", re.MULTILINE)
"""What the native module says of a plan that it refuses; Envoy says only that it did."""
REASON_HEAD: Final = 120
REASON_TAIL: Final = 280
"""Characters kept of Envoy's reason: what kind it is, and the innermost cause."""


class AdminError(Exception):
    """Envoy does not answer."""


class EnvoyGoneError(AdminError):
    """Nobody listens where Envoy's admin interface is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What Envoy has accepted."""

    clusters: str
    """Version of the last accepted clusters; empty: none yet."""
    routes: str
    rejected: int
    """Files refused since Envoy started, unreadable ones included."""
    warming: int = 0
    """Clusters that wait for the first look-up of their name."""


class Admin:
    """Envoy's admin interface on the loopback."""

    def __init__(self, port: int, *, patience: float = 5.0) -> None:
        """Ask the Envoy with this admin port; `patience`: seconds for each answer."""
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=patience, trust_env=False
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def live(self) -> bool:
        """Tell whether Envoy serves."""
        try:
            return (await self._client.get("/ready", timeout=1.0)).is_success
        except httpx.HTTPError:
            return False

    async def running(self) -> Running:
        """Return what Envoy runs now.

        Raises:
            AdminError: Envoy does not answer.
        """
        text = await self._get(
            "/stats", {"filter": r"(version_text|update_rejected|update_failure|warming_clusters)$"}
        )
        versions = dict(_VERSION.findall(text))
        return Running(
            clusters=versions.get("cluster_manager.cds", ""),
            routes=versions.get("http.traffic.rds.traffic", ""),
            rejected=sum(int(count) for _, count in _REJECTED.findall(text)),
            warming=sum(map(int, _WARMING.findall(text))),
        )

    async def metrics(self) -> bytes:
        """Return what the module has counted, as Prometheus text.

        Raises:
            AdminError: Envoy does not answer.
        """
        return (await self._ask(METRICS_PATH, {})).content

    async def users(self) -> bytes:
        """Return who used most, as the module's JSON.

        Raises:
            AdminError: Envoy does not answer.
        """
        return (await self._ask(USERS_PATH, {})).content

    async def active_requests(self) -> int:
        """Return how many requests are under way.

        Raises:
            AdminError: Envoy does not answer.
        """
        found = await self.stats(r"^http\.traffic\.downstream_rq_active$")
        return sum(found.values())

    async def stats(self, pattern: str) -> dict[str, int]:
        """Return Envoy's counters and gauges whose names match a regular expression.

        Raises:
            AdminError: Envoy does not answer.
        """
        text = await self._get("/stats", {"filter": pattern})
        pairs = (line.rpartition(": ") for line in text.splitlines() if line)
        return {name: int(value) for name, _, value in pairs}

    async def drain(self) -> None:
        """Ask clients to leave: every answer closes its connection; new ones are still served.

        Raises:
            AdminError: Envoy does not answer.
        """
        await self._post("/healthcheck/fail")
        await self._post("/drain_listeners?graceful&skip_exit")

    async def _get(self, path: str, parameters: dict[str, str]) -> str:
        return (await self._ask(path, parameters)).text

    async def _ask(self, path: str, parameters: dict[str, str]) -> httpx.Response:
        try:
            answer = await self._client.get(path, params=parameters)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise _admin_error(error) from error
        return answer

    async def _post(self, path: str) -> None:
        try:
            (await self._client.post(path)).raise_for_status()
        except httpx.HTTPError as error:
            raise _admin_error(error) from error


def _admin_error(error: httpx.HTTPError) -> AdminError:
    words = str(error) or type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return EnvoyGoneError(words)
        cause = cause.__cause__ or cause.__context__
    return AdminError(words)


async def validate(binary: str, candidate: Path) -> str:
    """Return why Envoy would refuse a bootstrap, or run it with a module of another Envoy.

    Envoy only warns of a module that was built for another version of its interface, and runs it;
    so what it says about the version is read. Empty: all is well.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            binary,
            "--mode",
            "validate",
            "--config-path",
            str(candidate),
            "--log-level",
            ABI_LOG_LEVEL,
            "--concurrency",
            "1",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        return f"cannot run {binary}: {error}"
    try:
        output, _ = await asyncio.wait_for(process.communicate(), VALIDATION_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"validation took longer than {VALIDATION_SECONDS:.0f} s"
    text = output.decode(errors="replace").strip()
    if process.returncode == 0:
        return abi_problem(text)
    found = _MODULE_REASON.search(text) or _REASON.search(text)
    reason = found[1] if found else text
    if len(reason) > REASON_HEAD + REASON_TAIL:
        reason = f"{reason[:REASON_HEAD]} ... {reason[-REASON_TAIL:]}"
    return reason or f"exit status {process.returncode}"
