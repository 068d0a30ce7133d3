"""Clients that people use, unchanged but for the base URL, in front of a real engine.

Each is a program of its own (openai_sdk.py, ...) in an environment of its own; every case in it is
a claim. An answer that a client could not read, an error that it could not tell, is a fault here.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from e2e.cluster import software
from tests.integration.envoy.router import Router
from tests.integration.vllm.clients.faulty import FAULTS, Faulty
from tests.integration.vllm.engines import Engine
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.routing.compile import compile_router
from tokenfleet.domain.routing.ir import RouterConfig

pytestmark = [pytest.mark.vllm, pytest.mark.envoy]

HERE = Path(__file__).parent
PYTHON = ("openai_sdk", "anthropic_sdk", "langchain_client", "litellm_client")
CLIENTS = (*PYTHON, "openai_node")


def configuration() -> RouterConfig:
    """Compile fleet.yaml as the operator would."""
    bodies = list(yaml.safe_load_all((HERE / "fleet.yaml").read_text()))

    def of(kind: str) -> list[dict[str, object]]:
        return [body for body in bodies if body["kind"] == kind]

    pools = [ServingPool.model_validate(body) for body in of("ServingPool")]
    (router,) = (ModelRouter.model_validate(body) for body in of("ModelRouter"))
    routes = [ModelRoute.model_validate(body) for body in of("ModelRoute")]
    by_name = {pool.metadata.name: pool for pool in pools}
    compiled = compile_router(router, routes, by_name, {}, slos=())
    assert compiled.problems == {}
    return compiled.config


def program(client: str) -> list[str]:
    """Return the command that runs a client, in the environment that is made for it once."""
    if client in PYTHON:
        python = software.environment("clients", HERE / "requirements.txt") / "bin" / "python"
        return [str(python), str(HERE / f"{client}.py")]
    return ["node", str(software.node_packages(HERE) / f"{client}.mjs")]


@contextlib.asynccontextmanager
async def served(folder: Path, engine: Engine) -> AsyncIterator[str]:
    """Run the router before the engine and the servers with faults; yield its address."""
    faulty, router = Faulty(), Router(folder)
    await faulty.start()
    try:
        endpoints = dict.fromkeys(FAULTS, (("127.0.0.1", faulty.port),))
        chat = (("127.0.0.1", int(engine.url.rpartition(":")[2])),)
        router.publish(configuration(), {**endpoints, "chat": chat})
        await router.start()
        await router.applied()
        yield router.url
    finally:
        await router.stop()
        await faulty.stop()


@pytest.mark.parametrize("client", CLIENTS)
async def test_every_case_of_the_client_holds(client: str, small: Engine, tmp_path: Path) -> None:
    command = await asyncio.to_thread(program, client)
    async with served(tmp_path, small) as url:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, "ROUTER": url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    found = json.loads(out.decode().splitlines()[-1])

    assert found
    assert {case: trace for case, trace in found.items() if trace} == {}
