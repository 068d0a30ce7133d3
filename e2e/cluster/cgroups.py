"""The control group under which all pods lie: made before the kubelet starts, removed by `down`.

Works on version 1 (one tree per controller), on version 2, and on the mixture of both.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from e2e.cluster import paths
from e2e.cluster.progress import wait_for

ROOT: Final = Path("/sys/fs/cgroup")
CONTROLLERS: Final = "+cpu +cpuset +memory +pids"


def make() -> None:
    """Make the parent group in every hierarchy; idempotent."""
    if (ROOT / "cgroup.controllers").exists():
        _delegate(ROOT)
        (ROOT / paths.CGROUP).mkdir(exist_ok=True)
        _delegate(ROOT / paths.CGROUP)
        _write_if_there(ROOT / paths.CGROUP / "cpu.weight", str(100 * _processors()))
        return
    for hierarchy in _hierarchies():
        group = hierarchy / paths.CGROUP
        group.mkdir(exist_ok=True)
        # Version 1: a new cpuset has no processors at all and would refuse every process.
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (group / name).exists():
                (group / name).write_text((hierarchy / name).read_text())
        _write_if_there(group / "cpu.shares", str(1024 * _processors()))


def _processors() -> int:
    """Return how many ordinary processes all pods together should weigh against the host's.

    A group weighs as much as one process unless told otherwise: a compiler with two jobs would leave
    all pods a third of one processor.
    """
    return os.cpu_count() or 1


def _write_if_there(path: Path, value: str) -> None:
    if path.exists():
        path.write_text(value)


def _delegate(group: Path) -> None:
    available = (group / "cgroup.controllers").read_text().split()
    wanted = [name for name in CONTROLLERS.split() if name[1:] in available]
    (group / "cgroup.subtree_control").write_text(" ".join(wanted))


def remove() -> None:
    """Remove the group and all below it in every hierarchy; idempotent.

    The processes are gone by then; the kernel lets go of a group a moment after its last process.
    """
    wait_for("the pods' control groups to go", lambda: not _remaining(), timeout=120)


def _remaining() -> bool:
    tops = [hierarchy / paths.CGROUP for hierarchy in [ROOT, *_hierarchies()]]
    for top in tops:
        if top.is_dir():
            # Children before parents; a group that goes while it is read is not an error.
            for group, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):  # still held: the next look tries again
                    Path(group).rmdir()
    return any(top.exists() for top in tops)


def _hierarchies() -> list[Path]:
    """Return version 1's trees; links such as cpu -> cpu,cpuacct only once."""
    return [path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink()
            and (path / "cgroup.procs").exists() and path.name != paths.CGROUP]  # fmt: skip
