"""A real Prometheus that really scrapes exporters whose numbers the tests decide."""

import os
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from e2e.cluster.build import binaries
from e2e.kit.ports import free_port

SCRAPE_SECONDS = 1


def prometheus_binary() -> Path:
    """The binary named by TOKENFLEET_PROMETHEUS, of the built-in cluster, or on PATH."""
    named = os.environ.get("TOKENFLEET_PROMETHEUS")
    built = binaries() / "prometheus"
    found = named or (str(built) if built.exists() else shutil.which("prometheus"))
    assert found, "no prometheus: run `make cluster` once, or set TOKENFLEET_PROMETHEUS"
    return Path(found)


@dataclass
class Exporter:
    """One router replica's metrics endpoint."""

    pod: str
    text: Callable[[float], str] = lambda _: ""
    """Seconds since start -> exposition."""
    failing: bool = False
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status = 500 if exporter.failing else 200
                body = exporter.text(time.monotonic() - exporter.started).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body if status == 200 else b"broken")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Prometheus:
    """One process, its folder and its port."""

    def __init__(
        self, folder: Path, exporters: list[Exporter], *, flags: Sequence[str] = ()
    ) -> None:
        self.folder, self.port, self.flags = folder, free_port(), flags
        targets = "".join(
            f"  - targets: ['{exporter.address}']\n"
            f"    labels: {{namespace: team-a, pod: {exporter.pod}}}\n"
            for exporter in exporters
        )
        (folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: {SCRAPE_SECONDS}s, scrape_timeout: {SCRAPE_SECONDS}s}}\n"
            f"scrape_configs:\n- job_name: routers\n  honor_labels: true\n  static_configs:\n{targets}"
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    prometheus_binary(),
                    f"--config.file={self.folder}/prometheus.yml",
                    f"--storage.tsdb.path={self.folder}/data",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    *self.flags,
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 180
        while not self.ready():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=90)
            self.process = None


@dataclass
class Bench:
    prometheus: Prometheus
    replicas: list[Exporter]

    @property
    def pods(self) -> tuple[str, ...]:
        return tuple(exporter.pod for exporter in self.replicas)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    exporters = [Exporter("router-1"), Exporter("router-2")]
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), exporters)
    try:
        yield Bench(prometheus, exporters)
    finally:
        prometheus.stop()
        for exporter in exporters:
            exporter.close()


RECORDING = ("--web.enable-remote-write-receiver",)
"""Flags of a Prometheus that scrapes nothing: tests write what it remembers, at their own times."""


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    prometheus = Prometheus(tmp_path_factory.mktemp("recorder"), [], flags=RECORDING)
    prometheus.start()
    try:
        yield prometheus
    finally:
        prometheus.stop()
