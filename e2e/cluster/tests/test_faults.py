"""Killed anywhere, at any moment: `up` heals it, `down` leaves nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from datetime import datetime

import pytest

from e2e.cluster.tests.instance import (
    ENVIRONMENT,
    REPOSITORY,
    Traces,
    ask,
    cluster,
    command,
    kubectl,
    processes,
    traces,
    until,
)

pytestmark = pytest.mark.cluster

VICTIMS = (
    "e2e.cluster.supervisor",
    "unshare",
    "/etcd",
    "/kube-apiserver",
    "/kube-controller-manager",
    "/kubelet",
    "/kube-proxy",
    "/coredns",
    "containerd --config",
    "containerd-shim",
)

KUBELETS = {"e2e.cluster.supervisor", "unshare", "/kubelet"}
"""With these the kubelet ends, whose last word on the node is kept."""


def _kill(victim: str) -> None:
    found = [pid for pid, line in processes().items() if victim in line]
    assert found, f"{victim} runs"
    for pid in found:
        with contextlib.suppress(ProcessLookupError):  # some end with the first of them
            os.kill(pid, signal.SIGKILL)


def _ready_since() -> float:
    path = '{.status.conditions[?(@.type=="Ready")].lastTransitionTime}'
    found = kubectl("get", "node", "local", "--output", f"jsonpath={path}")
    return datetime.fromisoformat(found.strip()).timestamp()


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("victim", VICTIMS)
def test_up_heals_whatever_was_killed(victim: str) -> None:
    name = "lives-on"
    kubectl("create", "deployment", name, "--image=ghcr.io/tokenfleet/operator:0.1.0",
            "--", "sleep", "1000000", check=False)  # fmt: skip
    ready = ("rollout", "status", "deployment", name, "--timeout=180s")
    kubectl(*ready)

    killed = int(time.time())
    _kill(victim)
    cluster("up", "--no-vllm")

    if victim in KUBELETS:
        assert _ready_since() >= killed, "'up' believed a kubelet that was gone"
    assert cluster("status").stdout.strip() == "healthy"
    # The status that a client reads may be older than the kill: only a running process answers.
    until(
        lambda: kubectl("exec", f"deploy/{name}", "--", "echo", "alive", check=False),
        lambda said: "alive" in said,
        seconds=180,
    )


@pytest.mark.parametrize("after", [0.3, 0.8, 1.5, 3.0, 6.0])
@pytest.mark.parametrize("then", ["up", "down"])
def test_an_up_killed_at_any_moment_is_healed(clean_host: Traces, after: float, then: str) -> None:
    starting = subprocess.Popen(
        command("up", "--no-vllm"), cwd=REPOSITORY, env=ENVIRONMENT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(after)
    starting.kill()
    starting.wait()

    if then == "up":
        cluster("up", "--no-vllm")
        assert cluster("status").stdout.strip() == "healthy"
    cluster("down")

    assert traces() == clean_host


def test_down_leaves_nothing(clean_host: Traces) -> None:
    cluster("up", "--no-vllm")
    kubectl("create", "deployment", "some", "--image=ghcr.io/tokenfleet/operator:0.1.0",
            "--replicas=2", "--", "sleep", "1000000")  # fmt: skip
    kubectl("rollout", "status", "deployment", "some", "--timeout=180s")
    cluster("down")

    assert traces() == clean_host
    assert processes() == {}
    assert ask("paths.CLUSTER.exists()") == "False"


def test_addresses_in_use_are_named_with_what_to_do(clean_host: Traces) -> None:
    taken = ask("paths.POD_RANGE")
    subprocess.run(["ip", "route", "add", "blackhole", taken], check=True)
    try:
        done = cluster("up", check=False)
    finally:
        subprocess.run(["ip", "route", "delete", "blackhole", taken], check=True)

    assert done.returncode == 1
    assert f"{taken} is in use" in done.stderr
    assert "Traceback" not in done.stderr
