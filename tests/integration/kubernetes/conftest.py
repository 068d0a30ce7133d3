"""A cluster, a namespace for each test, and operators as processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e.kit.clusters import connect
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.ports import free_port
from e2e.kit.waiting import wait_served
from tests.integration.api.server import install_crds


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    found = connect()
    install_crds(found)
    return found


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    with fresh(cluster, "tokenfleet-operator") as made:
        yield made


class OperatorProcess:
    """`tokenfleet run` for some namespaces, its Lease in the first one."""

    def __init__(
        self,
        kubeconfig: Path,
        namespaces: Sequence[str],
        name: str,
        log: Path,
        *,
        probes: int = 0,
        lease: str = "tokenfleet-operator",
    ) -> None:
        """Start it; its console has a port of its own."""
        self.name, self.log, self.console = name, log, free_port()
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "POD_NAME": name}
        arguments = [
            f"--namespaces={','.join(namespaces)}",
            f"--lease-namespace={namespaces[0]}",
            f"--lease-name={lease}",
            "--listen=127.0.0.1",
            f"--probe-port={probes}",
            "--metrics-port=0",
            f"--console-port={self.console}",
            "--log-level=INFO",
            "--tick=1s",
        ]
        self._file = log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tokenfleet.cli.main", "run", *arguments],
            env=environment,
            stderr=self._file,
        )

    def logged(self) -> str:
        return self.log.read_text()

    def leads(self) -> bool:
        return "election: leading" in self.logged()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Stop it; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            status = self.process.wait(timeout=180)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self._file.close()
        return status


@pytest.fixture
def operator(
    cluster: Cluster, namespace: Namespace, tmp_path: Path
) -> Iterator[Callable[..., OperatorProcess]]:
    """Return a function that starts one more operator: a replica, or one with another Lease."""
    running: list[OperatorProcess] = []

    def start(name: str, **options: str) -> OperatorProcess:
        log = tmp_path / f"{name}.log"
        places = [namespace.name]
        running.append(OperatorProcess(cluster.kubeconfig, places, name, log, **options))  # type: ignore[arg-type]
        return running[-1]

    yield start
    for process in running:
        process.end()


def eventually(what: Callable[[], Any], *, within: float = 180.0) -> Any:
    """Wait until something is true; return it."""
    until = time.monotonic() + within
    while not (found := what()):
        assert time.monotonic() < until, f"not within {within} s: {what}"
        time.sleep(0.2)
    return found


@contextmanager
def definition(cluster: Cluster, body: dict[str, Any]) -> Iterator[None]:
    """Define a kind of others for as long as a test takes."""
    everywhere, name = cluster.namespace("default"), body["metadata"]["name"]
    everywhere.apply(body)
    wait_served(everywhere, name)
    yield
    everywhere.delete("crd", name)
