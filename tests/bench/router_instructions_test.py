"""Instructions of Envoy per request and per event of a stream, under callgrind: nobody disturbs them.

What the kernel does is not in them; `router_overhead_test.py` measures CPU time with it. A module that
does nothing (`empty_module`) shows how much of it is Envoy's own, in the router's configuration.

Callgrind counts each byte that `rep movsb` copies as an instruction of its own, where a processor copies
32 or 64 bytes in a cycle. glibc's memcpy and memset use it from a threshold on (4 KiB here; glibc's
sysdeps/x86/cacheinfo.h), so they are told to use vector instructions for every length, in all subjects.

An event costs what a stream grows by with each further one; what a stream costs besides is that of the
request. Connections are open already, and are not counted.
"""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.cluster.packages import install_missing
from e2e.kit.ports import free_port
from tests.bench.figures import record
from tests.bench.router_empty_module import empty_module
from tests.bench.router_overhead_test import envoys
from tests.bench.router_peer import BODIES, Load, stream
from tests.bench.router_subjects import Subject, bare, router
from tokenfleet.adapters.envoy.module import SEARCH_PATH

pytestmark = pytest.mark.envoy

VECTORS = "GLIBC_TUNABLES=" + ":".join(
    f"glibc.cpu.x86_rep_{kind}_threshold={2**62}" for kind in ("movsb", "stosb")
)
CONNECTIONS = 16


@dataclass(frozen=True)
class Asked:
    """What is asked of each subject, and how often."""

    body: bytes
    times: int
    connections: int = CONNECTIONS


ASKED = {
    "small": Asked(BODIES["small"], 400),
    "33 KB": Asked(BODIES["33 KB"], 200),
    "128 KB": Asked(BODIES["128 KB"], 100),
    "burst of 50": Asked(stream("burst", 50), 40),
    "burst of 150": Asked(stream("burst", 150), 40),
    # One at a time: each event comes alone, whatever else the machine does.
    "paced 50": Asked(stream("paced", 50), 4, 1),
    "paced 150": Asked(stream("paced", 150), 4, 1),
}
EVENTS = {
    "burst event": ("burst of 150", "burst of 50", 100),
    "paced event": ("paced 150", "paced 50", 100),
}
"""Of how many events the difference of two streams is."""
LEAST = {
    "small": 0.80,
    "33 KB": 0.75,
    "128 KB": 0.63,
    "burst of 50": 0.70,
    "burst event": 0.30,
    "paced event": 0.90,
}
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
    subject: Subject, upstream: int, folder: Path, *, module: Path | None = None
) -> dict[str, float]:
    """Return instructions per request of each kind, and per event.

    Args:
        subject: the Envoy that is measured.
        upstream: port of the server.
        folder: for what callgrind writes.
        module: folder of another module than this working tree's.
    """
    out = folder / f"{subject.name}.out"
    other = () if module is None else (f"{SEARCH_PATH}={module}",)
    wrapper = ("env", VECTORS, *other, "valgrind", "-q", "--tool=callgrind", "--instr-atstart=no",
               f"--callgrind-out-file={out}")  # fmt: skip
    found = {}
    async with envoys([subject], upstream, *wrapper) as running:
        pid = running[subject.name].pid
        await dumped(pid, "-i")
        for kind, asked in ASKED.items():
            async with Load(subject.port, asked.body, asked.connections) as load:
                await load.times(max(2 * asked.connections, asked.times // 4))
                await dumped(pid, "-d")
                await load.times(asked.times)
                await dumped(pid, "-d")
            dumps = sorted(folder.glob(f"{out.name}.*"), key=lambda file: int(file.suffix[1:]))
            found[kind] = instructions(dumps[-1]) / asked.times
    for event, (longer, shorter, more) in EVENTS.items():
        found[event] = (found[longer] - found[shorter]) / more
    return found


async def test_instructions_against_a_bare_envoy(tmp_path: Path) -> None:
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
        name: await counted(subject, upstream, tmp_path, module=modules.get(name))
        for name, subject in subjects.items()
    }
    for kind in LEAST:
        least = found["bare"][kind]
        counts = {name: of[kind] for name, of in found.items()}
        print(
            f"\n{kind}, thousand instructions: "
            + ", ".join(f"{n / 1e3:.2f} {name} ({least / n:.2f}x)" for name, n in counts.items())
        )
        record(f"instructions {kind}", {name: round(n / 1e3, 2) for name, n in counts.items()})
    dear = {kind for kind, least in LEAST.items()
            if found["bare"][kind] / found["router"][kind] <= least}  # fmt: skip
    assert not dear
