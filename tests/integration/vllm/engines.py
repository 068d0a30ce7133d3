"""Real engines as processes of the host, started exactly as a pod template says.

Only what a container would provide is replaced: folders by folders of the test, the port by a free
one. Everything else, arguments and environment, is what `workload` made.
"""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from e2e.cluster.images import ENGINE_ENVIRONMENT
from e2e.kit.ports import free_port
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.pools import caches
from tokenfleet.domain.pools.engines.engine import PORT
from tokenfleet.domain.pools.models import WEIGHTS_ROOT
from tokenfleet.domain.pools.workloads import workload

START_LIMIT = 900.0  # seconds; an engine needs 45, and several times that on a busy machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One running engine."""

    url: str
    model: str
    names: tuple[str, ...]
    """Every name that it was told to accept."""
    adapters: tuple[str, ...]
    """Names of the adapters that it was told to serve."""
    process: subprocess.Popen[bytes]
    log: Path


def container(pool: ServingPool) -> dict[str, Any]:
    """Return the engine container."""
    found_container: dict[str, Any] = templates(pool)[0]["spec"]["containers"][0]
    return found_container


def templates(pool: ServingPool) -> tuple[dict[str, Any], ...]:
    """Return the pod templates: one, or a leader's and a worker's."""
    found = workload(pool, Platform(leader_worker_sets=True))
    assert found.problems == ()
    by_kind = {body["kind"]: body["spec"] for body in found.objects}
    if "Deployment" in by_kind:
        return (by_kind["Deployment"]["template"],)
    group = by_kind["LeaderWorkerSet"]["leaderWorkerTemplate"]
    return group["leaderTemplate"], group["workerTemplate"]


def arguments(pool: ServingPool, *, weights: Path, port: int) -> list[str]:
    """Return the container's arguments with the claim's folder and the port replaced."""
    claim = f"{WEIGHTS_ROOT}/models"
    told = [text.replace(claim, str(weights)) for text in container(pool)["args"]]
    assert f"--port={PORT}" in told
    return [f"--port={port}" if text == f"--port={PORT}" else text for text in told]


@contextlib.contextmanager
def started(
    pool: ServingPool,
    *,
    environment: Path,
    weights: Path,
    scratch: Path,
    image: Mapping[str, str] | None = None,
) -> Iterator[Engine]:
    """Run the pool's engine until the block ends; wait until it is healthy.

    Args:
        pool: whose engine.
        environment: virtual environment with the program.
        weights: folder in place of the claim.
        scratch: folder for what it writes.
        image: variables that its image sets; those of the pod come after them.
    """
    with tempfile.TemporaryDirectory(prefix="tokenfleet-vllm-") as sockets:
        # A killed engine leaves its sockets; their paths must be short (unix(7)).
        variables = {**(image or {}), "VLLM_RPC_BASE_PATH": sockets}
        engine = _begun(pool, environment, weights, scratch, variables)
        try:
            _wait_healthy(engine)
            yield engine
        finally:
            engine.process.terminate()
            try:
                engine.process.wait(timeout=90)
            except subprocess.TimeoutExpired:
                engine.process.kill()
                engine.process.wait()


def _begun(
    pool: ServingPool, environment: Path, weights: Path, scratch: Path, image: Mapping[str, str]
) -> Engine:
    spec = container(pool)
    scratch.mkdir(parents=True, exist_ok=True)
    moved = {caches.SCRATCH: str(scratch / "tmp")}
    values = {item["name"]: _moved(item["value"], moved) for item in spec["env"]}
    port = free_port()
    log = scratch / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(environment / "bin" / spec["command"][0]), *spec["command"][1:],
             *arguments(pool, weights=weights, port=port)],
            env={**image, **values, "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
                 **ENGINE_ENVIRONMENT, "CC": "false", "CXX": "false"},  # no compiler that works
            stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    return Engine(
        url=f"http://127.0.0.1:{port}",
        model=pool.spec.served.model_name,
        names=(pool.spec.served.model_name, *pool.spec.served.aliases),
        adapters=tuple(adapter.name for adapter in pool.spec.served.adapters),
        process=process,
        log=log,
    )


def _moved(value: str, folders: dict[str, str]) -> str:
    for old, new in folders.items():
        if value == old or value.startswith(f"{old}/"):
            return new + value.removeprefix(old)
    return value


def _wait_healthy(engine: Engine) -> None:
    until = time.monotonic() + START_LIMIT
    while time.monotonic() < until:
        if engine.process.poll() is not None:
            break
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{engine.url}/health", timeout=60).status_code == httpx.codes.OK:
                return
        time.sleep(0.5)
    tail = "\n".join(engine.log.read_text(errors="replace").splitlines()[-40:])
    message = f"{engine.model} did not start:\n{tail}"
    raise AssertionError(message)


def descendants(pid: int) -> list[int]:
    """Return the processes below one, from what the kernel says."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found
