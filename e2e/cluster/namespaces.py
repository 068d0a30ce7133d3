"""Start, find and end the node's namespaces.

The supervisor is process 1 of its own process namespace. It is found by a mark in its environment
rather than by a file, so that no moment exists at which a killed `up` leaves it unknown.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from e2e.cluster import paths
from e2e.cluster.progress import wait_for

MARK: Final = f"{paths.SUPERVISOR_MARK}={paths.STATE}"


def launch() -> int:
    """Start the supervisor in new namespaces and return its process id as the host sees it."""
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    with (paths.LOGS / "supervisor.log").open("ab") as log:
        subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private",
             sys.executable, "-u", "-m", "e2e.cluster.supervisor"],
            cwd=paths.REPOSITORY,
            env={**os.environ, paths.SUPERVISOR_MARK: str(paths.STATE)},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    return wait_for("the node's namespaces", supervisor, timeout=60, every=0.02)


def supervisor() -> int | None:
    """Return the host's id of the running supervisor, None when there is none."""
    # Two ids, not three: a container being made is process 1 of a namespace within the node's.
    return next((pid for pid in _marked(MARK) if process_ids(pid) == [pid, 1]), None)


def end(mark: str = MARK) -> None:
    """Kill the supervisor and wait until the kernel has ended everything in its namespaces.

    Args:
        mark: what its processes have in their environment; by default those of our node.
    """
    for pid in _marked(mark):
        # The launcher and process 1; the rest dies with process 1, in the kernel.
        if process_ids(pid) in ([pid], [pid, 1]):
            _kill(pid)
    wait_for("the node's processes to end", lambda: not _marked(mark), timeout=60, every=0.05)


def enter(*command: str) -> list[str]:
    """Return `command` wrapped to run inside the node's namespaces."""
    return ["nsenter", "--target", str(supervisor()), "--mount", "--net", "--pid", "--", *command]


def _marked(mark: str) -> list[int]:
    """Return the ids of all processes whose environment carries the mark, except our own."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:  # ended meanwhile
            continue
        if mark.encode() in environment.split(b"\0"):
            found.append(int(entry.name))
    return found


def process_ids(pid: int, proc: Path = Path("/proc")) -> list[int]:
    """Return the process's ids, from the host's process namespace to its own."""
    try:
        status = (proc / str(pid) / "status").read_text()
    except OSError:
        return []
    line = next((line for line in status.splitlines() if line.startswith("NSpid:")), "NSpid:")
    return [int(number) for number in line.split()[1:]]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
