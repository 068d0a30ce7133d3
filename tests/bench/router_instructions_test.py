"""Instructions of Envoy per request and per event, under callgrind: nobody disturbs them.

What the kernel does is not in them; `router_overhead_test.py` measures CPU time with it. A module that
does nothing (`empty_module`) shows how much of it is Envoy's own, in the router's configuration.
"""

import asyncio
import shutil
from pathlib import Path

import pytest

from e2e.cluster.packages import install_missing
from e2e.kit.ports import free_port
from tests.bench.figures import record
from tests.bench.router_empty_module import empty_module
from tests.bench.router_overhead_test import envoys
from tests.bench.router_peer import BODIES, CHUNKS, STREAMS, Load
from tests.bench.router_subjects import Subject, bare, router
from tokenfleet.adapters.envoy.module import SEARCH_PATH

pytestmark = pytest.mark.envoy

REQUESTS = {"small": 400, "33 KB": 200, "128 KB": 100, "burst stream": 40, "paced stream": 40}
LEAST = {"small": 0.70, "33 KB": 0.56, "128 KB": 0.36, "burst stream": 0.66, "paced stream": 0.65}
"""Of bare Envoy: below what is measured, so that a feature that becomes dear fails."""


async def dumped(pid: int, option: str) -> None:
    """Tell callgrind to begin, or to write down what it has counted and begin anew."""
    control = await asyncio.create_subprocess_exec(
        "callgrind_control", option, *(["on"] if option == "-i" else []), str(pid),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    await control.wait()


def instructions(file: Path) -> int:
    """Return the sum over all threads of one dump."""
    lines = file.read_text(errors="replace").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("totals:"))


async def counted(
    subject: Subject, upstream: int, folder: Path, kind: str, *, module: Path | None = None
) -> float:
    """Return instructions per request, or per event of a stream.

    Args:
        subject: the Envoy that is measured.
        upstream: port of the server.
        folder: for what callgrind writes.
        kind: which request.
        module: folder of another module than this working tree's.
    """
    out = folder / f"{subject.name}.out"
    other = () if module is None else ("env", f"{SEARCH_PATH}={module}")
    wrapper = (*other, "valgrind", "-q", "--tool=callgrind", "--instr-atstart=no",
               f"--callgrind-out-file={out}")  # fmt: skip
    async with envoys([subject], upstream, *wrapper) as running:
        pid = running[subject.name].pid
        await Load(subject.port, BODIES[kind]).times(64)
        await dumped(pid, "-i")
        await Load(subject.port, BODIES[kind]).times(32)
        await dumped(pid, "-d")
        await Load(subject.port, BODIES[kind]).times(REQUESTS[kind])
        await dumped(pid, "-d")
    dumps = sorted(folder.glob(f"{out.name}.*"), key=lambda file: int(file.suffix[1:]))
    parts = CHUNKS if kind in STREAMS else 1
    return instructions(dumps[1]) / REQUESTS[kind] / parts


@pytest.mark.parametrize("kind", BODIES)
async def test_instructions_against_a_bare_envoy(tmp_path: Path, kind: str) -> None:
    install_missing([] if shutil.which("valgrind") else ["valgrind"])
    upstream = free_port()
    subjects = {
        "bare": bare(tmp_path, upstream),
        "empty": router(tmp_path, upstream, "empty"),
        "router": router(tmp_path, upstream),
        "renamed": router(tmp_path, upstream, "renamed", same_name=False),
    }
    modules = {"empty": empty_module(tmp_path)}
    found = {
        name: await counted(subject, upstream, tmp_path, kind, module=modules.get(name))
        for name, subject in subjects.items()
    }
    print(
        f"\n{kind}: thousand instructions per {'event' if kind in STREAMS else 'request'}: "
        + ", ".join(
            f"{count / 1e3:.1f} {name} ({found['bare'] / count:.2f}x)"
            for name, count in found.items()
        )
    )
    record(f"instructions {kind}", {name: round(count / 1e3, 2) for name, count in found.items()})
    assert found["bare"] / found["router"] > LEAST[kind]
