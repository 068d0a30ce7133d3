"""Builds that are made once: one at a time, and begun ahead of those who need them."""

import fcntl
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from e2e.cluster import paths
from e2e.cluster.progress import REPORT_EVERY, say


@contextmanager
def alone(name: str, called: str) -> Iterator[None]:
    """Build while nobody else does; who waits is told what for, and may find it done.

    Who waits lends its right to the processors to the build that it waits for.

    Args:
        name: of the lock and of the log in the cache.
        called: what people call it.
    """
    paths.SOFTWARE.mkdir(parents=True, exist_ok=True)
    with (paths.CACHE / f"{name}.lock").open("a+") as lock:
        if not _taken(lock):
            say(f"waiting for {called}: another process is at it")
            _wait(lock, _log(name))
        lock.truncate(0)
        print(os.getpid(), file=lock, flush=True)
        niceness = _niceness()
        try:
            yield
        finally:
            _set_niceness(os.getpid(), niceness)


def begin(name: str, *command: str, niceness: int) -> int:
    """Run a module that builds, in a process of its own that outlives this one; return its number.

    Args:
        name: of the log in the cache.
        command: what `python -m` takes.
        niceness: how far it gives way to other work, 0..19.
    """
    paths.CACHE.mkdir(parents=True, exist_ok=True)
    with _log(name).open("w") as log:
        process = subprocess.Popen(
            ["nice", "-n", str(niceness), sys.executable, "-m", *command],
            cwd=paths.REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    _set_niceness(process.pid, niceness)
    return process.pid


def _niceness(process: int | str = "self") -> int:
    """Return the niceness of a process's session; 0 where the kernel knows none.

    Where Linux shares processors among sessions, that of a process counts only inside its session
    (sched(7), "The autogroup feature").
    """
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{process}/autogroup").read_text().split()[-1])
    return 0


def _set_niceness(process: int, niceness: int) -> None:
    if _niceness(process) != niceness:
        with suppress(OSError):
            Path(f"/proc/{process}/autogroup").write_text(str(niceness))


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(lock: IO[str], log: Path) -> None:
    """Wait for the lock; tell what the log of a build that was begun ahead says meanwhile."""
    told, reported, own = "", time.monotonic(), _niceness()
    while not _taken(lock):
        lock.seek(0)
        holder = lock.read().strip()
        if holder.isdecimal() and own < _niceness(holder):
            _set_niceness(int(holder), own)
        time.sleep(0.2)
        if time.monotonic() - reported > 4 * REPORT_EVERY:
            reported = time.monotonic()
            last = _last_line(log)
            if last != told:
                say(f"  {last}")
                told = last


def _last_line(log: Path) -> str:
    with suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()[-1:]
        return re.sub(r"^\[cluster +[\d.]+s\] ", "", "".join(lines))
    return ""


def _log(name: str) -> Path:
    return paths.CACHE / f"{name}.log"
