"""Ports for servers that tests and stories start."""

import contextlib
import random
import socket

_given: set[int] = set()


def free_port() -> int:
    """Return a port that nobody listens on, below those that outgoing connections get.

    Never one that this process was given before: whoever asked for it may not listen yet.
    """
    while True:
        port = random.randrange(18_000, 32_000)
        if port in _given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
