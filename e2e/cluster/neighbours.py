"""Clusters of other checkouts with our number: they have the same cable, addresses and control groups.

They are known by the processes that run, and not by a file: what has ended is in nobody's way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from e2e.cluster import namespaces, paths

_DELETED: Final = " (deleted)"
"""What the kernel says after a folder that is gone."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A node that runs."""

    state: str
    """The folder of its files, by which its processes are marked."""
    checkout: str
    """Where it was brought up; the kernel's words where that is gone."""

    @property
    def abandoned(self) -> bool:
        """Say whether nobody can end it from where it was brought up."""
        gone = self.checkout.endswith(_DELETED) or not Path(self.checkout).is_dir()
        return gone or self.checkout == str(paths.REPOSITORY)


def found(proc: Path = Path("/proc")) -> Iterator[Neighbour]:
    """Yield every node with our number that is not ours."""
    ours = Neighbour(str(paths.STATE), str(paths.REPOSITORY))
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        try:
            environment = _environment(entry)
            if paths.SUPERVISOR_MARK not in environment or not _with_our_number(environment):
                continue
            checkout = str((entry / "cwd").readlink())
        except OSError:  # ended meanwhile
            continue
        one = Neighbour(environment[paths.SUPERVISOR_MARK], checkout)
        if one != ours and namespaces.process_ids(pid, proc) == [pid, 1]:
            yield one


def refusal(one: Neighbour, environment: Mapping[str, str] = os.environ) -> str:
    """Return why we may not end it, with what to do; empty where we may.

    Continuous integration may: it begins with a new checkout, and a run before it that was killed
    has left its cluster running.
    """
    if one.abandoned or environment.get("CI", "").lower() not in {"", "0", "false"}:
        return ""
    variable = "TOKENFLEET_CLUSTER_INSTANCE"
    there = f"{variable}={paths.INSTANCE} " if paths.INSTANCE else ""
    return (
        f"the checkout {one.checkout} runs its cluster with the same number, {paths.INSTANCE}: end "
        f"it there with '{there}make cluster-down', or set {variable} to another number here (0 to 9)"
    )


def _environment(process: Path) -> dict[str, str]:
    parts = (process / "environ").read_bytes().split(b"\0")
    pairs = (part.decode(errors="replace").partition("=") for part in parts)
    return {name: value for name, _, value in pairs}


def _with_our_number(environment: Mapping[str, str]) -> bool:
    return environment.get("TOKENFLEET_CLUSTER_INSTANCE", "0") == str(paths.INSTANCE)
