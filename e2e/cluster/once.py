"""Builds that are made once: one at a time, and begun ahead of those who need them."""

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.cluster import paths
from e2e.cluster.progress import say


@contextmanager
def alone(name: str, called: str) -> Iterator[None]:
    """Build while nobody else does; who waits is told what for, and may find it done.

    Args:
        name: of the lock and of the log in the cache.
        called: what people call it.
    """
    paths.SOFTWARE.mkdir(parents=True, exist_ok=True)
    with (paths.CACHE / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for the build of {called} that is under way; if {_log(name)} is there,"
                " it says how far it is")  # fmt: skip
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def begin(name: str, module: str, *, niceness: int) -> None:
    """Run a module that builds, in a process of its own that outlives this one.

    Args:
        name: of the log in the cache.
        module: what `python -m` takes.
        niceness: how far it gives way to other work, 0..19.
    """
    paths.CACHE.mkdir(parents=True, exist_ok=True)
    with _log(name).open("w") as log:
        subprocess.Popen(
            ["nice", "-n", str(niceness), sys.executable, "-m", module],
            cwd=paths.REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def _log(name: str) -> Path:
    return paths.CACHE / f"{name}.log"
