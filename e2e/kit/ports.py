"""Ports for servers that tests and stories start."""

import contextlib
import random
import socket


def free_port() -> int:
    """Return a port that nobody listens on, below those that outgoing connections get."""
    while True:
        port = random.randrange(18_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
