"""The router beside other routers for models, in the same run.

Each peer in an environment of its own, found by its path; without it the comparison is skipped:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install 'litellm[proxy]' vllm-router
    TOKENFLEET_LITELLM=/tmp/peers/bin/litellm TOKENFLEET_VLLM_ROUTER=/tmp/peers/bin/vllm-router \
        .venv/bin/python -m pytest -s tests/bench/router_peers_test.py

The measure is the CPU time of a request, over all processes of a router; its inverse is the
requests per second that one core carries.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.router_overhead_test import cpu_seconds, process
from tests.bench.router_peer import closed_loop
from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.router import Router
from tests.support.ports import free_port

pytestmark = pytest.mark.envoy

ROUNDS = 3
SECONDS = 2.0
CONNECTIONS = 16
START_SECONDS = 180
"""Longest start of a peer; LiteLLM imports for most of a minute on a busy machine."""

Command = Callable[[str, Path, int, int], list[str]]


def litellm(binary: str, folder: Path, port: int, upstream: int) -> list[str]:
    model = {
        "model_name": "chat",
        "litellm_params": {
            "model": "openai/llama-70b",
            "api_base": f"http://127.0.0.1:{upstream}/v1",
            "api_key": "none",
        },
    }
    config = folder / "litellm.yaml"
    open_to_all = {"dangerously_permit_weak_or_unset_master_key": True}  # on loopback only
    config.write_text(json.dumps({"model_list": [model], "general_settings": open_to_all}))
    return [binary, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]


def vllm_router(binary: str, _: Path, port: int, upstream: int) -> list[str]:
    worker = f"http://127.0.0.1:{upstream}"
    place = ["--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(free_port())]
    return [binary, *place, "--worker-urls", worker, "--policy", "round_robin"]


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
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                await closed_loop(port, seconds=0.01, connections=1)
            except (OSError, AssertionError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.5)
            else:
                return


async def cost(pid: int, port: int) -> float:
    """Return microseconds of CPU per request, the best of some rounds."""
    found = []
    for _ in range(ROUNDS):
        before = sum(map(cpu_seconds, family(pid)))
        answers = await closed_loop(port, seconds=SECONDS, connections=CONNECTIONS)
        found.append((sum(map(cpu_seconds, family(pid))) - before) / len(answers) * 1e6)
    return min(found)


@pytest.mark.parametrize(
    ("variable", "command", "least"),
    [
        # Far below what is measured: fails on a mistake, not on a busy machine.
        pytest.param("TOKENFLEET_LITELLM", litellm, 20, id="litellm"),
        pytest.param("TOKENFLEET_VLLM_ROUTER", vllm_router, 0.1, id="vllm-router"),
    ],
)
async def test_requests_per_core_beside_a_peer(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    command: Command,
    least: float,
) -> None:
    # LiteLLM fetches a price list from the internet at its start unless it is told not to.
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    name = variable.removeprefix("TOKENFLEET_").lower().replace("_", "-")
    binary = os.environ.get(variable) or shutil.which(name)
    if binary is None:
        pytest.skip(f"{name} is not installed; the head of this file says how")
    upstream, port = free_port(), free_port()
    router = Router(tmp_path)
    router.publish(
        configuration({"large": 900, "small": 100}),
        dict.fromkeys(("large", "small"), (("127.0.0.1", upstream),)),
    )
    async with (
        process(sys.executable, "-m", "tests.bench.router_peer", upstream),
        process(*command(binary, tmp_path, port, upstream)) as peer,
    ):
        try:
            await router.start()
            await router.applied()
            assert router.process is not None
            await answering(router.ports.traffic)
            await answering(port)
            ours = await cost(router.process.pid, router.ports.traffic)
            theirs = await cost(peer.pid, port)
        finally:
            await router.stop()
    print(
        f"\nCPU per request {ours:.0f} us router, {theirs:.0f} us {name};"
        f" requests/s per core {theirs / ours:.2f}x of {name}"
    )
    assert theirs / ours > least
