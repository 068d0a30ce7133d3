"""The pool's engine as a process of this machine, started as its pod template says.

Only what a container would provide is replaced: the claim's folder and the scratch volume.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.pools import caches
from tokenfleet.domain.pools.engines.engine import PORT
from tokenfleet.domain.pools.models import WEIGHTS_ROOT
from tokenfleet.domain.pools.workloads import workload

URL = f"http://127.0.0.1:{PORT}"
START_LIMIT = 600.0
CAUSE = re.compile(r"\b\w+Error: ")


class NotStartedError(Exception):
    """The engine ended, or was not ready in time; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One running engine."""

    process: subprocess.Popen[bytes]
    start_seconds: float

    def samples(self) -> dict[str, float]:
        """Return every metric by the name of its samples, over all labels together."""
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(httpx.get(f"{URL}/metrics").text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return found


def command(pool: ServingPool, *, python: Path, models: Path) -> list[str]:
    """Return the command line of the pool's container."""
    container = _container(pool)
    claim = f"{WEIGHTS_ROOT}/models"
    program, *first = container["command"]
    told = [*first, *(text.replace(claim, str(models)) for text in container["args"])]
    return [str(python.parent / program), *told]


@contextlib.contextmanager
def started(pool: ServingPool, *, python: Path, models: Path, scratch: Path) -> Iterator[Engine]:
    """Run the pool's engine while the block runs; its output goes to `scratch/engine.log`.

    Raises:
        NotStartedError: with the first error and the last lines of the output.
    """
    values = {item["name"]: item["value"] for item in _container(pool)["env"]}
    told = {name: _moved(value, scratch) for name, value in values.items()}
    told["PATH"] = f"{python.parent}:{os.environ['PATH']}"
    line = command(pool, python=python, models=models)
    print(f"gpu-check: {shlex.join(line)}", flush=True)
    log = scratch / "engine.log"
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            line, env=os.environ | told, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_ready(process, log, until=begun + START_LIMIT)
        yield Engine(process=process, start_seconds=time.monotonic() - begun)
    finally:
        process.terminate()
        try:
            process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()


def _container(pool: ServingPool) -> dict[str, list]:
    _, _, deployment = workload(pool).objects
    return deployment["spec"]["template"]["spec"]["containers"][0]


def _moved(value: str, scratch: Path) -> str:
    within = value == caches.SCRATCH or value.startswith(f"{caches.SCRATCH}/")
    return f"{scratch}{value.removeprefix(caches.SCRATCH)}" if within else value


def _wait_ready(process: subprocess.Popen[bytes], log: Path, *, until: float) -> None:
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{URL}/health").is_success:
                return
        time.sleep(0.5)
    why = "was not ready in time" if process.poll() is None else f"ended with {process.returncode}"
    lines = log.read_text(errors="replace").splitlines()
    # The process that computes says what is wrong; the server that waits for it has the last word.
    first = next((line for line in lines if CAUSE.search(line)), "no error")
    tail = "\n".join(lines[-20:])
    raise NotStartedError(f"the engine {why}; its first error: {first}\nits last lines:\n{tail}")
