"""The router's native module, built once for each content of its crate.

The crate depends on no other, so the build fetches nothing.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from e2e.cluster import once, paths, rust, software
from e2e.cluster.errors import ClusterError
from e2e.cluster.progress import step

LIBRARY: Final = "libtokenfleet.so"
SEARCH_PATH: Final = "ENVOY_DYNAMIC_MODULES_SEARCH_PATH"
"""Environment variable by which Envoy finds the folder that holds the library."""


def router_module(source: Path, *features: str) -> Path:
    """Return the folder with the module, built from what the working tree `source` holds now.

    Args:
        source: the working tree.
        features: the crate's features besides its default ones.
    """
    crate, folder = _crate(source), _folder(source, features)
    if (folder / LIBRARY).exists():
        return folder
    # Each build takes all cores.
    with once.alone("router-module", "the router's module"):
        if not (folder / LIBRARY).exists():
            with step("building the router's module"):
                _build(crate, folder, features)
    return folder


def missing(source: Path) -> bool:
    """Say whether the module of the working tree `source` is not built."""
    return not (_folder(source) / LIBRARY).exists()


def _crate(source: Path) -> Path:
    return source / "router-image" / "module"


def _folder(source: Path, features: Sequence[str] = ()) -> Path:
    return paths.SOFTWARE / "-".join(("router-module", *features, _content(_crate(source))))


def _build(crate: Path, folder: Path, features: Sequence[str]) -> None:
    target = folder.with_name(f".{folder.name}.target")
    done = subprocess.run(
        rust.cargo(crate, "build", "--release", "--locked", "--offline", "--lib",
                   "--features", ",".join(features)),
        env=rust.environment(target),
        capture_output=True,
        text=True,
        check=False,
        umask=0o022,
    )  # fmt: skip
    if done.returncode:
        raise ClusterError(f"building the router's module failed: {done.stderr[-2000:]}")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o755)
    shutil.copyfile(target / "release" / LIBRARY, part / LIBRARY)
    (part / LIBRARY).chmod(0o755)
    part.rename(folder)
    shutil.rmtree(target)


def _content(crate: Path) -> str:
    """Return a digest of the crate's files, without what cargo makes of them."""
    return software.content(crate, without="target")
