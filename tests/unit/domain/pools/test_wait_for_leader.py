"""A worker of a group stops after its leader, run as the script that its container runs."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tokenfleet.domain.pools.engines.engine import PORT
from tokenfleet.domain.pools.leader_worker_sets import WAIT_FOR_LEADER

LIMIT = 120.0


@contextmanager
def worker(port: int) -> Iterator[subprocess.Popen[bytes]]:
    script = WAIT_FOR_LEADER.replace(f"{PORT}), 5)", f"{port}), 0.1)").replace("(1)", "(0.1)")
    assert "0.1).close" in script
    process = subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "LWS_LEADER_ADDRESS": "127.0.0.1"}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(LIMIT)


def test_a_worker_waits_for_a_leader_that_is_too_busy_and_not_for_one_that_is_gone() -> None:
    """A queue that is full is not answered: Linux drops what comes."""
    with closing(socket.socket()) as leader, closing(socket.socket()) as first:
        leader.bind(("127.0.0.1", 0))
        leader.listen(0)
        first.connect(leader.getsockname())
        with worker(leader.getsockname()[1]) as process:
            time.sleep(2)
            busy = process.poll()
            leader.close()

            assert busy is None
            assert process.wait(LIMIT) == 0
