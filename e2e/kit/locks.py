"""Locks between test processes that work with the same cluster: files, so that a killed one lets go."""

import fcntl
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from e2e.kit.kubectl import Cluster


@contextmanager
def held(cluster: Cluster, name: str, *, alone: bool) -> Iterator[None]:
    """Hold a lock of a cluster: alone, or with everybody else who does not want to be alone."""
    with _opened(cluster, name) as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@contextmanager
def in_common(
    cluster: Cluster, name: str, *, make: Callable[[], object], remove: Callable[[], object]
) -> Iterator[None]:
    """Use something that the first user makes and the last one removes."""
    changing = f"{name}-changing"
    with _opened(cluster, name) as users:
        with held(cluster, changing, alone=True):
            if _only_user(users):
                make()
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with held(cluster, changing, alone=True):
                if _only_user(users):
                    remove()


def _only_user(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(cluster: Cluster, name: str) -> IO[str]:
    place = hashlib.sha256(str(cluster.kubeconfig.resolve()).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"tokenfleet-{place}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return (folder / f"{name}.lock").open("w")
