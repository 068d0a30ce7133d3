"""Programs that run beside a story."""

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from typing import IO, Final

from e2e.kit.waiting import NotYet, wait_for

RESTART: Final = 1.0
"""Seconds until a program that has ended is started again."""


@contextlib.contextmanager
def process(
    command: list[str], *, log: IO[str], environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a program until the block ends; a killed test takes it along.

    When it ends before, it is started again, as by a kubelet: Argo CD's controller rests on that
    where it panics.
    """

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip

    def tend() -> None:
        running[-1].wait()
        while not ending.wait(RESTART):
            running.append(start())
            running[-1].wait()

    ending, running = threading.Event(), [start()]
    tending = threading.Thread(target=tend)
    tending.start()
    try:
        yield
    finally:
        ending.set()
        running[-1].terminate()
        tending.join(timeout=10)
        while tending.is_alive():
            running[-1].kill()
            tending.join(timeout=1)


def listening(address: str) -> None:
    """Wait until somebody answers at `HOST:PORT`."""
    host, _, port = address.rpartition(":")

    def answers() -> bool | NotYet:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError as error:
            return NotYet(str(error))
        return True

    wait_for(f"a process at {address}", answers, timeout=180, every=0.1)
