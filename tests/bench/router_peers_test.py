"""The router beside a bare Envoy and other routers for models, in one run.

The measure is the CPU time of a request, over all processes of a router; its inverse is the
requests per second that one core carries. Rounds are interleaved, and the best of each counts.
"""

import asyncio
import contextlib
from pathlib import Path

import pytest

from e2e.kit.ports import free_port
from tests.bench import peers
from tests.bench.figures import record
from tests.bench.router_overhead_test import cpu_seconds, envoys, process
from tests.bench.router_peer import BODIES, Load
from tests.bench.router_subjects import bare, router

pytestmark = pytest.mark.envoy

ROUNDS = 4
SECONDS = 2.0
CONNECTIONS = 16
KINDS = ("small", "33 KB", "burst stream")
LEAST = {peers.LITELLM: 20, peers.VLLM_ROUTER: 0.1}
"""Requests per core, as a multiple of a peer's: far below what is measured, so that a mistake fails
and not a busy machine."""


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text().split()
    ]
    return [pid, *(below for child in children for below in family(child))]


async def answering(port: int) -> None:
    """Wait until a router forwards: some listen long before."""
    async with asyncio.timeout(peers.START_SECONDS):
        while True:
            try:
                async with Load(port, connections=1) as load:
                    await load.times(1)
            except (OSError, AssertionError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.5)
            else:
                return


async def cost(pid: int, port: int, kind: str) -> float:
    """Return microseconds of CPU per request in one round."""
    before = sum(map(cpu_seconds, family(pid)))
    load = Load(port, BODIES[kind], CONNECTIONS)
    await load.for_seconds(SECONDS)
    return (sum(map(cpu_seconds, family(pid))) - before) / len(load.latencies) * 1e6


async def test_requests_per_core_beside_peers(tmp_path: Path) -> None:
    upstream = free_port()
    subjects = [bare(tmp_path, upstream), router(tmp_path, upstream)]
    ports = {peers.LITELLM: free_port(), peers.VLLM_ROUTER: free_port()}
    commands = {
        peers.LITELLM: peers.litellm(tmp_path, ports[peers.LITELLM], ["chat"], upstream),
        peers.VLLM_ROUTER: peers.vllm_router(ports[peers.VLLM_ROUTER], [upstream]),
    }
    ports |= {subject.name: subject.port for subject in subjects}
    async with contextlib.AsyncExitStack() as stack:
        running = dict(await stack.enter_async_context(envoys(subjects, upstream)))
        for name, command in commands.items():
            running[name] = await stack.enter_async_context(process(*command))
        for port in ports.values():
            await answering(port)
        for kind in KINDS:
            found: dict[str, list[float]] = {name: [] for name in running}
            for _ in range(ROUNDS):
                for name, one in running.items():
                    found[name].append(await cost(one.pid, ports[name], kind))
            least = {name: min(rounds) for name, rounds in found.items()}
            record(f"peers {kind}", {name: round(us, 1) for name, us in least.items()})
            print(f"\n{kind}: " + ", ".join(f"{us:.0f} us {name}" for name, us in least.items()))
            for name in commands:
                print(f"requests/s per core {least[name] / least['router']:.2f}x of {name}")
                assert least[name] / least["router"] > LEAST[name]
    record("peers", {name: peers.version(name) for name in commands})
