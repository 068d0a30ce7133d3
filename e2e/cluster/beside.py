"""Programs beside the cluster's own, each built where something asks for it.

Each needs modules that the cluster does not. Naming those in go.mod would make everybody build the
whole cluster again, so they are added to a copy beside the result; what both share is compiled already.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from e2e.cluster import paths
from e2e.cluster.build import FLAGS, TAGS, binaries, ensure_built, go_command, go_environment
from e2e.cluster.errors import ClusterError
from e2e.cluster.progress import step


def ensure_program(name: str, package: str, modules: Sequence[str], sums: str) -> Path:
    """Build a program beside the cluster's if it is not there, and return it.

    Args:
        name: of the program.
        package: its import path, or a Go file of this folder.
        modules: what it requires beside go.mod, each as `path version`.
        sums: the lines of go.sum for them.
    """
    ensure_built()
    target = binaries() / f"{name}-{_key(package, modules, sums)}"
    if target.exists():
        return target
    module = go_module(target.with_suffix(".mod"), modules, sums)
    # Of this process alone, renamed when complete.
    unfinished = target.with_suffix(f".{os.getpid()}")
    with step(f"building {name} (seconds, or minutes where Go's own cache is empty)"):
        done = subprocess.run(
            [go_command(), "build", f"-modfile={module}", *FLAGS, "-ldflags", "-s -w",
             "-tags", TAGS, "-o", str(unfinished), package],
            cwd=paths.HERE, env=go_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise ClusterError(f"{name} cannot be built: {done.stderr.strip()[-600:]}")
    unfinished.replace(target)
    return target


def go_module(
    file: Path, modules: Sequence[str], sums: str, places: Mapping[str, Path] | None = None
) -> Path:
    """Write go.mod with more modules, and go.sum beside it, for `go build -modfile`; return the file.

    Args:
        file: its name ends in `.mod`.
        modules: each as `path version`, instead of what go.mod says of it.
        sums: the lines of go.sum for them.
        places: folders in which some of the modules lie, by path.
    """
    said = (paths.HERE / "go.mod").read_text(encoding="utf-8")
    for one in modules:  # a module is required once
        path = re.escape(one.split()[0])
        said = re.sub(rf"^\t{path} v.*\n", "", said, flags=re.MULTILINE) + f"\nrequire {one}"
    said += "".join(f"\nreplace {name} => {place}" for name, place in (places or {}).items())
    paths.write_atomically(file, said)
    paths.write_atomically(
        file.with_suffix(".sum"), (paths.HERE / "go.sum").read_text(encoding="utf-8") + sums
    )
    return file


def _key(package: str, modules: Sequence[str], sums: str) -> str:
    digest = hashlib.sha256("\n".join((package, *modules, sums)).encode())
    source = paths.HERE / package
    if source.is_file():
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
