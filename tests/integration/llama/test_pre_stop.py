"""The script of llama.cpp's `preStop`, run by a real shell and curl, and what it takes for idle."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from e2e.cluster.packages import install_missing
from e2e.kit.ports import free_port
from tests.integration.llama.test_engine import pool
from tests.integration.vllm.engines import container

LIMIT = 120.0
GAUGES = "llamacpp:requests_processing {}\nllamacpp:requests_deferred {}\n"
BUSY, WAITING, IDLE = (GAUGES.format(*numbers) for numbers in ((1, 0), (0, 2), (0, 0)))
SILENT = ""
"""No answer within curl's limit."""
REFUSED = "503"


@contextmanager
def engine(says: list[str]) -> Iterator[int]:
    """An engine that says one thing after the other, and the last for ever; its port."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = says.pop(0) if len(says) > 1 else says[0]
            if said == SILENT:
                ended.wait(LIMIT)
                return
            self.send_response(503 if said == REFUSED else 200)
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


def stop(port: int, grace: str = "10m") -> None:
    """Run the script, without the time for routers, and with 1 s for an answer."""
    install_missing([] if Path("/usr/bin/curl").exists() else ["curl"])
    *shell, script = container(pool(grace=grace))["lifecycle"]["preStop"]["exec"]["command"]
    for old, new in (
        ("sleep 10;", ""),
        ("--max-time 5", "--max-time 1"),
        (":8000/", f":{port}/"),
    ):
        assert old in script, script
        script = script.replace(old, new)
    subprocess.run([*shell, script], env=dict(os.environ), check=True, timeout=LIMIT)


@pytest.mark.parametrize(
    "says",
    [[BUSY, IDLE], [WAITING, BUSY, IDLE], [SILENT, IDLE], [BUSY, SILENT, BUSY, IDLE]],
    ids=["computing", "queued", "too busy to answer", "now and then too busy"],
)
def test_it_waits_until_the_engine_says_that_it_is_idle(says: list[str]) -> None:
    with engine(says) as port:
        stop(port)

    assert says == [IDLE]


@pytest.mark.parametrize("says", [[IDLE], [REFUSED]], ids=["idle", "still loading"])
def test_an_engine_without_work_is_not_waited_for(says: list[str]) -> None:
    with engine(says) as port:
        stop(port)


def test_an_engine_that_is_gone_is_not_waited_for() -> None:
    stop(free_port())


def test_it_waits_no_longer_than_the_grace_period() -> None:
    begun = time.monotonic()
    with engine([BUSY]) as port:
        stop(port, grace="2s")

    assert time.monotonic() - begun >= 1
