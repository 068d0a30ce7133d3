"""A Rust toolchain that works, and the crate's own checks.

    python -m e2e.cluster.rust              format, lints and unit tests of router-image/module
    python -m e2e.cluster.rust memcheck     its unit tests under valgrind: no byte is read or written
                                            that is not there

A toolchain that is there, works and is new enough is used; otherwise Debian's is installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

from e2e.cluster import paths
from e2e.cluster.errors import ClusterError
from e2e.cluster.packages import install_missing
from e2e.cluster.progress import say

CRATE: Final = paths.REPOSITORY / "router-image" / "module"
OLDEST: Final = (1, 85)
"""Rust's version; the crate says the same in `rust-version`."""
PACKAGES: Final = ("cargo-web", "rustc-web")
DEBIAN: Final = Path("/usr/bin")
LINTS: Final = {
    "fmt": ["--check"],
    "clippy": ["--quiet", "--locked", "--offline", "--all-targets", "--", "-D", "warnings"],
}
"""Subcommands that a toolchain may lack; those who write the module have them."""


def cargo(crate: Path, command: str, *arguments: str) -> list[str]:
    """Return the command line of cargo for a crate; it runs in `environment`."""
    return [_tool(), command, "--manifest-path", str(crate / "Cargo.toml"), *arguments]


def target(purpose: str) -> Path:
    """Return where this checkout builds for a purpose.

    Cargo names what it builds by paths inside the crate and trusts times, so two checkouts that share
    a folder get each other's programs.
    """
    checkout = hashlib.sha256(str(paths.REPOSITORY).encode()).hexdigest()[:8]
    return paths.CACHE / f"{purpose}-{checkout}"


def environment(target: Path) -> dict[str, str]:
    """Return the environment in which cargo works: it finds its own compiler, and builds there."""
    found = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    if _tool() == str(DEBIAN / "cargo"):
        # Debian's cargo would take the rustc that comes first in PATH, which may be rustup's
        # launcher without a toolchain.
        found |= {"RUSTC": str(DEBIAN / "rustc"), "RUSTDOC": str(DEBIAN / "rustdoc")}
    return found


@cache
def _tool() -> str:
    """Return a cargo that works and is new enough; install Debian's where there is none."""
    found = shutil.which("cargo")
    if found and _new_enough(found):
        return found
    debian = str(DEBIAN / "cargo")
    if not (Path(debian).exists() and _new_enough(debian)):
        install_missing(list(PACKAGES))
    return debian


def _new_enough(tool: str) -> bool:
    # rustup's launcher is in PATH on many hosts and fails where no toolchain is installed.
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"cargo (\d+)\.(\d+)", done.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST


def memcheck() -> int:
    """Run the unit tests under valgrind; return 1 where it finds something, or a test fails."""
    if shutil.which("valgrind") is None:
        install_missing(["valgrind"])
    runner = "target.'cfg(all())'.runner=['valgrind','-q','--error-exitcode=1']"
    tests = cargo(CRATE, "test", "--locked", "--offline", "--lib", "--config", runner)
    run = environment(target("module-target"))
    return min(
        1, subprocess.run([*tests, "--", "--test-threads=1"], env=run, check=False).returncode
    )


def main() -> int:
    """Check the crate; return 1 where something is wrong with it."""
    run = environment(target("module-target"))
    for command, arguments in LINTS.items():
        there = subprocess.run(
            [_tool(), command, "--version"], env=run, capture_output=True, check=False
        )
        if there.returncode:
            say(f"the module's {command} is left out: this Rust has no 'cargo {command}'")
        elif subprocess.run(cargo(CRATE, command, *arguments), env=run, check=False).returncode:
            return 1
    tests = cargo(CRATE, "test", "--quiet", "--locked", "--offline", "--lib")
    return min(1, subprocess.run(tests, env=run, check=False).returncode)


if __name__ == "__main__":
    try:
        sys.exit(memcheck() if sys.argv[1:] == ["memcheck"] else main())
    except ClusterError as error:
        sys.exit(f"tokenfleet: {error}")
