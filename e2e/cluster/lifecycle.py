"""Bring the cluster up, take it down, and say how it is.

`up` after anything, a killed `up` and a killed node included, is a boot: what the API server knew is
still there, every container starts again. `down` removes all of it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from e2e.cluster import (
    build,
    cgroups,
    images,
    namespaces,
    neighbours,
    network,
    once,
    paths,
    pki_files,
)
from e2e.cluster.api import Api
from e2e.cluster.build import binaries, ensure_built
from e2e.cluster.components import api_ready
from e2e.cluster.errors import ClusterError
from e2e.cluster.offers import GPU_RESOURCE, GPUS, STORAGE_CLASS
from e2e.cluster.packages import ensure_packages
from e2e.cluster.pki import make_pki
from e2e.cluster.progress import say, step, wait_for

BOOT_TIMEOUT: Final = 180.0
"""Seconds; a boot takes about 10 on two idle cores."""
BESIDE: Final = 3
"""Niceness of what is built and installed before a cluster can start, beside other work."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster to use."""

    kubeconfig: Path
    owned: bool
    """True for the built-in one, False for one that the user's KUBECONFIG names."""


def ensure_cluster() -> Cluster:
    """Return the cluster to use: the user's own where KUBECONFIG names one, else the built-in one.

    The built-in one is brought up when it is not, and is given the operator and the router as they
    are in the working tree now.
    """
    chosen = os.environ.get("KUBECONFIG", "")
    if chosen and Path(chosen).resolve() != paths.KUBECONFIG:
        return Cluster(Path(chosen), owned=False)
    up()
    return Cluster(paths.KUBECONFIG, owned=True)


def up(*, with_vllm: bool = True) -> None:
    """Bring the cluster up; quick when it is up already.

    Raises:
        ClusterError: it does not come up, or another checkout's has its number.
    """
    with _only_one():
        _make_way()
        if not healthy():
            _boot(with_vllm=with_vllm)
        else:
            say("the cluster is up")
        images.publish_all(with_vllm=with_vllm)


def down() -> None:
    """End the node and remove all of its traces; idempotent, and right after any kill."""
    with _only_one():
        _make_way()
        _end()
        shutil.rmtree(paths.CLUSTER, ignore_errors=True)
        if paths.STATE.exists():
            raise ClusterError(f"{paths.STATE} could not be removed: is something using it?")
    say("the cluster is down")


def healthy() -> bool:
    """Return whether the node runs, its API server answers and it is ready for pods."""
    return not problems()


def problems() -> list[str]:
    """Return what keeps the cluster from being healthy, in words; empty when it is."""
    if not namespaces.supervisor():
        return ["the node does not run"]
    if not network.plugged_in():
        return ["the cable to the node is missing"]
    if not paths.KUBECONFIG.exists():
        return ["there is no kubeconfig"]
    if not api_ready():
        return ["the API server is not ready"]
    return _node_problems()


def _node_problems() -> list[str]:
    try:
        api = Api("admin")
        node = api.get(f"/api/v1/nodes/{paths.NODE_NAME}")
        api.get(f"/apis/storage.k8s.io/v1/storageclasses/{STORAGE_CLASS}")
        api.get("/api/v1/namespaces/default/serviceaccounts/default")
    except (urllib.error.URLError, OSError) as error:
        return [f"the node is being set up ({error})"]
    ready = next((c for c in node["status"].get("conditions", []) if c["type"] == "Ready"), None)
    if not ready or ready["status"] != "True":
        return [f"the node is not ready: {ready['message'] if ready else 'no heartbeat yet'}"]
    if node["status"]["allocatable"].get(GPU_RESOURCE) != GPUS:
        return ["the node does not offer its GPUs yet"]
    return []


def _boot(*, with_vllm: bool) -> None:
    ensure_packages()
    if build.missing() and images.unprepared(with_vllm=with_vllm):
        # The build fetches at its beginning and links at its end: a processor is free then.
        without = () if with_vllm else ("--no-vllm",)
        once.begin("install", "e2e.cluster", "install", *without, niceness=BESIDE)
    ensure_built()
    if namespaces.supervisor():
        # Something in it may only need a moment; give it that before starting it all again.
        try:
            wait_for("the cluster to heal", healthy, timeout=20, why=_why)
        except ClusterError:
            say(f"starting the node again: {'; '.join(problems())}")
        else:
            return
    with step("starting the node"):
        _end()
        network.refuse_if_taken()
        paths.STATE.mkdir(parents=True, exist_ok=True)
        make_pki()
        network.plug_in(namespaces.launch())
        images.publish_pause()
        admin = pki_files.kubeconfig("admin").read_bytes()
        paths.write_atomically(paths.KUBECONFIG, admin, 0o600)
        wait_for("the node to be ready", _healthy_or_dead, timeout=BOOT_TIMEOUT, why=_why)
    say(f"the node is ready: export KUBECONFIG={paths.KUBECONFIG} PATH={binaries()}:$PATH")


def _why() -> str:
    found = problems()
    return f"{'; '.join(found)}; logs: {paths.LOGS}" if found else ""


def _healthy_or_dead() -> bool:
    if not namespaces.supervisor():
        raise ClusterError(f"the node ended while it started: see {paths.LOGS / 'supervisor.log'}")
    return healthy()


def _make_way() -> None:
    """See that no other checkout's node has our number: end it where we may.

    Raises:
        ClusterError: we may not.
    """
    for other in neighbours.found():
        refused = neighbours.refusal(other)
        if refused:
            raise ClusterError(refused)
        with step(f"ending the cluster that {other.checkout} has left with our number"):
            namespaces.end(f"{paths.SUPERVISOR_MARK}={other.state}")
            _end()
        if other.state == str(paths.STATE):
            shutil.rmtree(paths.CLUSTER, ignore_errors=True)


def _end() -> None:
    namespaces.end()
    network.unplug()
    cgroups.remove()


@contextmanager
def _only_one() -> Iterator[None]:
    """Let one `up` or `down` run at a time, on the whole host: the node's addresses are its own."""
    if os.geteuid() != 0:
        ensure_packages()  # says what to do
    paths.LOCK.parent.mkdir(parents=True, exist_ok=True)
    with paths.LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another 'up' or 'down' to finish")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
