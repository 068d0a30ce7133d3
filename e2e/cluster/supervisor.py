"""Process 1 of the node's namespaces: makes the node's own view of the machine, keeps it running.

When this process ends, the kernel ends every other process here and drops the mounts, the network
and its rules. So there is nothing to clean up in order, and nothing here tries to.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from e2e.cluster import cgroups, network, paths
from e2e.cluster.build import binaries
from e2e.cluster.components import Component, components
from e2e.cluster.progress import say, wait_for

PRIVATE_FOLDERS: Final = ("/run", "/var/log", "/var/lib")
"""Where programs leave files under fixed names: empty ones in memory take their place."""
KERNEL_SETTINGS: Final = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What the kubelet insists on. They belong to the whole machine, so it is shown copies."""
FEWER_COLLECTIONS: Final = {"GOGC": "200"}
"""For the programs in Go, which share few processors with what is tried: half of the collections
of garbage, for half a GiB."""
RESTART_DELAY: Final = 1.0
"""Seconds before a program that ended is started again: no busy loop when it cannot start."""


def main() -> None:
    """Prepare the namespaces, start every component in order, then keep them running."""
    _private_mounts()
    network.configure_node()
    cgroups.make()
    running: dict[int, Component] = {}
    for component in components(binaries()):
        running[_start(component)] = component
        if component.is_up:
            # A program that ended while it is waited for must be restarted here as well.
            wait_for(component.name, lambda c=component: _tend(running, block=False) or c.is_up(),
                     timeout=300, every=0.05)  # fmt: skip
    say("all components started")
    while True:
        _tend(running, block=True)


def _start(component: Component) -> int:
    component.without()
    log = (paths.LOGS / f"{component.name}.log").open("ab")
    with log:
        process = subprocess.Popen(
            component.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=paths.REPOSITORY,
            env={**os.environ, **FEWER_COLLECTIONS},
        )
    # The process is reaped by _tend together with the orphans that process 1 inherits.
    process.returncode = 0
    return process.pid


def _tend(running: dict[int, Component], *, block: bool) -> None:
    """Reap every process that ended and start again those that are components."""
    while True:
        try:
            pid, status = os.waitpid(-1, 0 if block else os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        ended = running.pop(pid, None)
        if ended:
            say(
                f"{ended.name} ended with status {os.waitstatus_to_exitcode(status)}: starting it again"
            )
            ended.without()
            time.sleep(RESTART_DELAY)
            running[_start(ended)] = ended
        block = False


def _private_mounts() -> None:
    # The launcher made all mounts private to us; the kubelet needs propagation among our own.
    _mount("--make-rshared", "/")
    needed = [paths.STATE, paths.CACHE, paths.REPOSITORY, Path(sys.base_prefix)]
    for folder in map(Path, PRIVATE_FOLDERS):
        if not any(path.is_relative_to(folder) for path in needed):
            _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder))
    paths.RUN.mkdir(parents=True, exist_ok=True)
    shown = paths.RUN / "kernel-settings"
    for name, value in KERNEL_SETTINGS.items():
        setting = Path("/proc/sys", name)
        if setting.exists():
            paths.write_atomically(shown / name, f"{value}\n")
            _mount("--bind", str(shown / name), str(setting))


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main()
