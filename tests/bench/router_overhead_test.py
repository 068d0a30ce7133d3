"""What everything the router does costs, against a bare Envoy in the same run.

The measure is Envoy's own CPU time per request: on a machine that others use too it hardly moves,
and its inverse is the requests per second that one core carries. Rounds are interleaved, and the
best of each counts: what disturbs a round only ever adds to it.
"""

import asyncio
import json
import os
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.bench.router_peer import BODY, closed_loop
from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.router import Router, envoy_binary, free_port
from tokenfleet.adapters.envoy.wire import address, extension

pytestmark = pytest.mark.envoy

ROUNDS = 5
SECONDS = 2.0
CONNECTIONS = 16
LONG = json.dumps(
    {"model": "chat", "messages": [{"role": "user", "content": "word " * 6_600}]}
).encode()


def bare(port: int, admin: int, upstream: int) -> dict[str, object]:
    """The least Envoy that forwards HTTP."""
    manager = extension(
        "http",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="bare",
        generate_request_id=False,
        http_filters=[extension("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router")],
        route_config={"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "c", "timeout": "0s"}}]}]},
    )  # fmt: skip
    endpoint = {"endpoint": {"address": address("127.0.0.1", upstream)}}
    cluster = {
        "name": "c",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "c", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    listener = {
        "name": "l",
        "address": address("127.0.0.1", port),
        "filter_chains": [{"filters": [manager]}],
    }
    return {
        "admin": {"address": address("127.0.0.1", admin)},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def listening(*ports: int) -> None:
    """Wait until every port takes connections."""
    for port in ports:
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    break


@asynccontextmanager
async def process(*arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    running = await asyncio.create_subprocess_exec(
        *map(str, arguments), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        running.terminate()
        await running.wait()


async def measured(pid: int, port: int, body: bytes) -> tuple[float, float]:
    """Return microseconds of CPU per request, and the median latency in milliseconds."""
    before = cpu_seconds(pid)
    latencies = await closed_loop(port, seconds=SECONDS, connections=CONNECTIONS, body=body)
    return (cpu_seconds(pid) - before) / len(latencies) * 1e6, statistics.median(latencies) * 1e3


async def test_overhead_against_a_bare_envoy(tmp_path: Path) -> None:
    upstream, port, admin = free_port(), free_port(), free_port()
    boot = tmp_path / "bare.json"
    boot.write_text(json.dumps(bare(port, admin, upstream)))
    router = Router(tmp_path)
    router.publish(
        configuration({"large": 900, "small": 100}),
        dict.fromkeys(("large", "small"), (("127.0.0.1", upstream),)),
    )
    async with (
        process(sys.executable, "-m", "tests.bench.router_peer", upstream),
        process(
            envoy_binary(),
            "-c",
            boot,
            "--disable-hot-restart",
            "--concurrency",
            1,
            "-l",
            "critical",
        ) as plain,
    ):
        await listening(upstream, port)
        await router.start()
        await router.applied()
        try:
            assert router.process is not None
            targets = {
                "bare": (plain.pid, port),
                "router": (router.process.pid, router.ports.traffic),
            }
            print()
            for label, body in (("small request", BODY), (f"{len(LONG) // 1000} kB request", LONG)):
                found: dict[str, list[tuple[float, float]]] = {name: [] for name in targets}
                for _ in range(ROUNDS):
                    for name, (pid, at) in targets.items():
                        found[name].append(await measured(pid, at, body))
                cpu = {name: min(c for c, _ in rounds) for name, rounds in found.items()}
                latency = {name: min(p for _, p in rounds) for name, rounds in found.items()}
                print(
                    f"{label}: CPU per request {cpu['bare']:.0f} us bare, {cpu['router']:.0f} us router;"
                    f" requests/s per core {cpu['bare'] / cpu['router']:.2f}x of bare;"
                    f" median latency at {CONNECTIONS} connections {latency['bare']:.2f} and {latency['router']:.2f} ms"
                )
                # Far above what is measured: fails on a mistake, not on a busy machine.
                assert cpu["router"] < 8 * cpu["bare"]
        finally:
            await router.stop()
