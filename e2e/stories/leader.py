"""Pausing processes of the built-in cluster's node: the leader, and the API server."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from e2e.kit.kubectl import Cluster, Namespace


def holder(operator: Namespace) -> str:
    """Return the pod that holds the operator's Lease; empty where nobody does."""
    for lease in operator.list("leases.coordination.k8s.io"):
        held = (lease["spec"].get("holderIdentity") or "").split("/")[-1].split("_")[0]
        if held:
            return held
    return ""


def processes(mark: str) -> list[int]:
    """Return processes of this machine whose control group names a pod, by its uid."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                groups = (entry / "cgroup").read_text(encoding="utf-8")
            except OSError:
                continue
            if mark in groups:
                found.append(int(entry.name))
    return found


def named(program: str) -> list[int]:
    """Return processes of the built-in cluster's node by the first word of their command line.

    Other checkouts may run clusters of their own on this machine.
    """
    from e2e.cluster.namespaces import MARK  # noqa: PLC0415  Linux only; not needed elsewhere

    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                environment = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].decode(errors="replace").endswith(program) and MARK.encode() in environment:
                found.append(int(entry.name))
    return found


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Stop processes and let them go on in the end."""
    assert pids, "nothing to pause"
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):  # the kubelet ends what is paused for too long
                os.kill(pid, signal.SIGCONT)


@contextmanager
def paused(operator: Namespace, pod: str) -> Iterator[None]:
    """Pause every process of a pod."""
    uid = operator.must_get("pod", pod)["metadata"]["uid"]
    with stopped(processes(uid)):
        yield


class Pause:
    """How long it lasts already."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return seconds since the pause began."""
        return time.monotonic() - self._begun


@contextmanager
def api_server_paused(cluster: Cluster) -> Iterator[Pause]:
    """Pause the built-in cluster's API server; on other clusters, only measure time."""
    if not cluster.builtin:
        yield Pause()
        return
    with stopped(named("kube-apiserver")):
        yield Pause()
