"""An older version of this project, as chart and images, from the repository's own history."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.kit import repository

COMMIT = "f6682fdf77d5ebc284e621f0c2c2b1e63115439d"
"""The oldest state of this project that this one can be upgraded from."""
TAG = "0.0.9"


@dataclass(frozen=True, slots=True)
class Release:
    """A chart, and the values that name its images."""

    chart: Path
    values: dict[str, Any]


@contextmanager
def release() -> Iterator[Release]:
    """Unpack the older version and make its images known to the built-in cluster."""
    from e2e.cluster import images  # noqa: PLC0415

    command = ["git", "-C", str(repository()), "archive", "--format=tar", COMMIT]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(
            f"this checkout has no history back to {COMMIT}: {done.stderr.decode().strip()}"
        )
    with tempfile.TemporaryDirectory(prefix="tokenfleet-older-") as folder:
        subprocess.run(["tar", "--extract", "--directory", folder], input=done.stdout, check=True)
        source = Path(folder)
        images.publish([images.operator(source, TAG), images.router(source, TAG)])
        named = {"image": {"tag": TAG}, "router": {"image": {"tag": TAG}}}
        yield Release(chart=source / "charts" / "tokenfleet", values=named)
