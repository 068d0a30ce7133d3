"""`make gpu-check`: a target + draft engine on a real GPU, started as a pool would start it.

Where there is no GPU it says so and succeeds: nothing was found wrong. Where there is one it needs
a vLLM built for it (`pip install 'tokenfleet[vllm]'`, or any environment named by `--python`),
makes the models, starts the engine with the arguments of a ServingPool, and looks whether it
does what the operator counts on. Then it measures its speed, with the draft and without.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from e2e.gpu_check import claims, requests
from e2e.gpu_check.engine import Engine, NotStartedError, started
from e2e.gpu_check.pool import PROPOSED, pool

REPOSITORY = Path(__file__).parents[2]
SPACE_OF_KEYS = "--kv-cache-memory-bytes=8589934592"
"""8 GiB, whatever the card has: figures of two cards are then of the same pool."""
AT_ONCE = (1, 8, 32)
TOKENS = 256
NOT_STARTED = 3
"""Exit status: the engine did not start, so nothing was learned of the claims."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command line."""

    python: Path
    models: Path
    scratch: Path
    layers: int
    own_arguments: tuple[str, ...]


def gpus() -> list[str]:
    """Return name, memory and driver of each GPU of this machine."""
    if shutil.which("nvidia-smi") is None:
        return []
    wanted = "--query-gpu=name,memory.total,driver_version"
    command = ["nvidia-smi", wanted, "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines() if done.returncode == 0 else []


def versions(python: Path) -> str:
    """Return the versions of what computes."""
    program = (
        "import sys, torch, triton, importlib.metadata as m;"
        'print(f\'vLLM {m.version("vllm")}, torch {torch.__version__}, triton'
        " {triton.__version__}, Python {sys.version.split()[0]}')"
    )
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def holds(claim: Callable[[Engine], str], engine: Engine) -> bool:
    """Say whether a claim holds, and what was seen."""
    title = (claim.__doc__ or "").split("\n")[0]
    try:
        print(f"| {title} | {claim(engine)} |", flush=True)
    except Exception as error:
        print(f"| {title} | **no**: {type(error).__name__}: {error} |", flush=True)
        return False
    return True


def speeds(label: str) -> None:
    """Measure, after a first round that nobody counts."""
    requests.speed(8, first=900, tokens=32)
    for number, count in enumerate(AT_ONCE):
        seen = requests.speed(count, first=1000 + 100 * number, tokens=TOKENS)
        print(
            f"| {label} | {count} | {1000 * seen.to_first:.0f} | {1000 * seen.to_first_p95:.0f}"
            f" | {seen.each:.0f} | {seen.together:.0f} |",
            flush=True,
        )


def heading(*columns: str) -> None:
    """Begin a table."""
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)


def check(asked: Asked, *, speculating: bool) -> bool:
    """Run one engine; tell whether every claim held."""
    told = pool(speculating=speculating, own_arguments=(SPACE_OF_KEYS, *asked.own_arguments))
    with started(told, python=asked.python, models=asked.models, scratch=asked.scratch) as engine:
        print(f"gpu-check: ready after {engine.start_seconds:.0f} s", flush=True)
        heading("claim", "seen")
        looked = claims.CLAIMS if speculating else (claims.answers,)
        held = [holds(claim, engine) for claim in looked]
        heading("draft", "streams", "first token, ms", "p95, ms", "tokens/s each", "together")
        speeds(f"{PROPOSED} proposed" if speculating else "none")
        if speculating:
            heading("claim", "seen")
            held.append(holds(claims.finishes_what_runs, engine))
    return all(held)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m e2e.gpu_check", description=__doc__)
    parser.add_argument(
        "--python",
        type=Path,
        default=Path(sys.executable),
        help="a Python with a GPU build of vLLM",
    )
    parser.add_argument("--models", type=Path, help="where the models are made, and kept")
    parser.add_argument("--scratch", type=Path, help="for the engine's caches and output; kept")
    parser.add_argument("--layers", type=int, default=32, help="of the target, 0.4 GiB each")
    parser.add_argument(
        "--own", action="append", default=[], help="one more of the pool's extraArgs, e.g. --own=-x"
    )
    return parser.parse_args()


def main() -> int:
    """Check, and say what was found."""
    told = arguments()
    found = gpus()
    if not found:
        print("gpu-check: there is no GPU here; nothing was checked")
        return 0
    print(f"gpu-check: {len(found)} x {found[0]}")
    if not (told.python.parent / "vllm").exists():
        print(f"gpu-check: {told.python} has no vLLM; install it or name another with --python")
        return 1
    print(f"gpu-check: {versions(told.python)}", flush=True)
    inherited = {name: value for name, value in os.environ.items() if name.startswith("VLLM_")}
    print(f"gpu-check: from the environment: {inherited or 'nothing'}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        asked = Asked(
            python=told.python,
            models=told.models or Path(name) / "models",
            scratch=told.scratch or Path(name),
            layers=told.layers,
            own_arguments=tuple(told.own),
        )
        asked.scratch.mkdir(parents=True, exist_ok=True)
        make = [asked.python, "-m", "e2e.models", "make-large", "--out", asked.models]
        subprocess.run([*make, "--layers", str(asked.layers)], cwd=REPOSITORY, check=True)
        try:
            held = [check(asked, speculating=speculating) for speculating in (True, False)]
        except NotStartedError as error:
            print(f"gpu-check: {error}")
            return NOT_STARTED
    print("gpu-check: every claim holds" if all(held) else "gpu-check: a claim does not hold")
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
