"""A second cluster beside the developer's own, driven as a person would: by its command line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

REPOSITORY = Path(__file__).resolve().parents[3]
NUMBER = "1"
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "KUBECONFIG"},
    "TOKENFLEET_CLUSTER_INSTANCE": NUMBER,
}


def command(*arguments: str) -> list[str]:
    """Return the command line of `python -m e2e.cluster`."""
    return [sys.executable, "-m", "e2e.cluster", *arguments]


def cluster(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one command of the second cluster."""
    done = subprocess.run(
        command(*arguments),
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def ask(expression: str) -> str:
    """Evaluate an expression over the cluster's modules, in the second cluster's environment."""
    code = (
        f"from e2e.cluster import cgroups, namespaces, network, paths, build; print({expression})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout.strip()


def kubectl(*arguments: str, stdin: str = "", check: bool = True) -> str:
    """Run kubectl against the second cluster and return its output."""
    program = ask("build.binaries() / 'kubectl'")
    done = subprocess.run(
        [program, "--kubeconfig", ask("paths.KUBECONFIG"), *arguments],
        input=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def until(look: Callable[[], T], right: Callable[[T], bool], *, seconds: float = 120.0) -> T:
    """Look until it is right: what the node does comes a moment after it was asked for."""
    deadline = time.monotonic() + seconds
    while not right(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.5)
    return seen


def processes() -> dict[int, str]:
    """Return the host's ids of the second cluster's processes, with their command lines."""
    mark = f"TOKENFLEET_CLUSTER={ask('paths.STATE')}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:  # ended meanwhile
                continue
    return found


@dataclass(frozen=True, slots=True)
class Traces:
    """What a cluster could leave behind on the host."""

    mounts: frozenset[str]
    links: frozenset[str]
    routes: frozenset[str]
    packet_rules: frozenset[str]
    control_groups: frozenset[str]
    kernel_settings: tuple[str, ...]


def traces() -> Traces:
    """Look at the host, for what carries a word of ours: other programs work on it meanwhile."""
    own = ask("paths.CGROUP")
    words = (ask("paths.CLUSTER"), "kubelet", "containerd", "/cni", "netns", own)
    settings = ("panic", "panic_on_oops", "keys/root_maxkeys")
    return Traces(
        mounts=_with_words(Path("/proc/self/mountinfo").read_text(), words),
        links=frozenset(path.name for path in Path("/sys/class/net").iterdir() if own in path.name),
        routes=_with_words(_output("ip", "route", "show", "table", "all"), (own, *_ranges())),
        packet_rules=frozenset(
            _output("iptables", "-t", table, "-S") for table in ("nat", "filter", "mangle")
        ),
        control_groups=frozenset(str(path) for path in Path("/sys/fs/cgroup").rglob(own)),
        kernel_settings=tuple(Path("/proc/sys/kernel", name).read_text() for name in settings),
    )


def _ranges() -> list[str]:
    return ask("' '.join((paths.LINK_RANGE, paths.POD_RANGE, paths.SERVICE_RANGE))").split()


def _with_words(lines: str, words: Iterable[str]) -> frozenset[str]:
    return frozenset(line for line in lines.splitlines() if any(word in line for word in words))


def _output(*arguments: str) -> str:
    return subprocess.run(arguments, capture_output=True, text=True, check=False).stdout
