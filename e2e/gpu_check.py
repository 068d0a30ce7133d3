"""`make gpu-check`: a target + draft engine on a real GPU, started as a pool would start it.

Where there is no GPU it says so and succeeds: nothing was found wrong. Where there is one it needs
a vLLM built for it (`pip install 'tokenfleet[vllm]'`, or any environment named by `--python`), makes
the small models, starts the engine with the arguments of a ServingPool, and looks whether it
answers and whether proposals of the draft are accepted, greedily and sampling.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.pools.engines.engine import PORT
from tokenfleet.domain.pools.workloads import workload

REPOSITORY = Path(__file__).parents[1]
URL = f"http://127.0.0.1:{PORT}"
START_LIMIT = 600.0
DRAFTED = "vllm:spec_decode_num_draft_tokens_total"
ACCEPTED = "vllm:spec_decode_num_accepted_tokens_total"


def gpus() -> list[str]:
    """Return the names of the GPUs of this machine."""
    if shutil.which("nvidia-smi") is None:
        return []
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines() if done.returncode == 0 else []


def pool() -> ServingPool:
    """Return a pool of one GPU with a target and a draft."""

    def on_claim(path: str) -> dict[str, object]:
        claim = {"claimName": "models", "path": path}
        return {"source": {"type": "PersistentVolumeClaim", "persistentVolumeClaim": claim}}

    managed = {
        "engine": {
            "image": "vllm/vllm-openai:v0.32.0",
            "extraArgs": ["--gpu-memory-utilization=0.3", "--max-num-seqs=16"],
        },
        "model": on_claim("target"),
        "resources": {"limits": {"nvidia.com/gpu": 1}},
        "speculative": {"type": "DraftModel", "tokens": 3, "draftModel": on_claim("draft")},
    }
    served = {"modelName": "checked", "contextWindow": 2048}
    body = {"metadata": {"name": "checked"}, "spec": {"served": served, "managed": managed}}
    return ServingPool.model_validate(body)


@contextlib.contextmanager
def engine(python: Path, folder: Path) -> Iterator[None]:
    """Run the pool's engine while the block runs."""
    _, _, deployment = workload(pool()).objects
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    moved = {"/weights/models": str(folder)}

    def here(text: str) -> str:
        for old, new in moved.items():
            text = text.replace(old, new)
        return text

    told = {item["name"]: here(item["value"]) for item in container["env"]}
    told |= {"HOME": str(folder), "PATH": f"{python.parent}:{os.environ['PATH']}"}
    command = [str(python.parent / "vllm"), "serve", *map(here, container["args"])]
    process = subprocess.Popen(command, env=os.environ | told)
    try:
        until = time.monotonic() + START_LIMIT
        while time.monotonic() < until:
            if process.poll() is not None:
                raise SystemExit(f"the engine ended with {process.returncode} before it was ready")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{URL}/health").is_success:
                    break
            time.sleep(1)
        else:
            raise SystemExit(f"the engine was not ready after {START_LIMIT:.0f} s")
        yield
    finally:
        process.terminate()
        process.wait(timeout=120)


def counted(name: str) -> float:
    """Return one counter of the engine."""
    text = httpx.get(f"{URL}/metrics").text
    return sum(float(value) for value in re.findall(rf"^{name}\{{.*\}} (\S+)$", text, re.MULTILINE))


def acceptance(temperature: float) -> float:
    """Return the fraction of proposals accepted while eight answers are given."""
    before = counted(ACCEPTED), counted(DRAFTED)
    for number in range(8):
        message = {"role": "user", "content": f"{number}: tell me about the fleet"}
        body = {"model": "checked", "messages": [message], "max_tokens": 64, "ignore_eos": True}
        answer = httpx.post(
            f"{URL}/v1/chat/completions", json={**body, "temperature": temperature}, timeout=60
        )
        answer.raise_for_status()
        assert answer.json()["usage"]["completion_tokens"] == 64
    return (counted(ACCEPTED) - before[0]) / (counted(DRAFTED) - before[1])


def main() -> int:
    """Check, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m e2e.gpu_check", description=__doc__)
    parser.add_argument(
        "--python",
        type=Path,
        default=Path(sys.executable),
        help="a Python with a GPU build of vLLM",
    )
    python = parser.parse_args().python
    found = gpus()
    if not found:
        print("gpu-check: there is no GPU here; nothing was checked")
        return 0
    print(f"gpu-check: {len(found)} x {found[0]}")
    if not (python.parent / "vllm").exists():
        print(f"gpu-check: {python} has no vLLM; install it there or name another with --python")
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make = [python, "-m", "e2e.models", "make", "--out", folder]
        subprocess.run(make, cwd=REPOSITORY, check=True)
        with engine(python, folder):
            rates = {temperature: acceptance(temperature) for temperature in (0.0, 0.7)}
    for temperature, rate in rates.items():
        print(f"gpu-check: temperature {temperature}: {rate:.0%} of the proposals were accepted")
    healthy = all(0 < rate < 1 for rate in rates.values())
    print("gpu-check: target + draft serve" if healthy else "gpu-check: the draft does not work")
    return 0 if healthy else 1


if __name__ == "__main__":
    raise SystemExit(main())
