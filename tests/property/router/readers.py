"""The router's readers as a program: bodies in, what they say out."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import rust


@dataclass(frozen=True, slots=True)
class Case:
    """One body; `kind` is r for a request, a for a whole answer, s for a streamed one."""

    kind: str
    body: bytes
    seed: int
    """Where it is cut into chunks, 0..2^64 - 1."""

    def packed(self) -> bytes:
        """As the program reads it."""
        return struct.pack("<cQI", self.kind.encode(), self.seed, len(self.body)) + self.body


def build() -> Path:
    """Return the program, built from the crate as it is."""
    command = rust.cargo(
        rust.CRATE, "build", "--release", "--locked", "--offline", "--no-default-features"
    )
    target = rust.target("readers")
    subprocess.run(
        [*command, "--quiet", "--example", "read"], env=rust.environment(target), check=True
    )
    return target / "release" / "examples" / "read"


def read(program: Path, cases: Iterable[Case]) -> Sequence[str]:
    """Return what the readers say, one line for each case."""
    done = subprocess.run(
        [str(program)],
        input=b"".join(case.packed() for case in cases),
        capture_output=True,
        check=False,
    )
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0, f"after {len(lines)} cases: {done.stderr.decode()}"
    return lines
