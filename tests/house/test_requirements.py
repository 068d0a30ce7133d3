"""Requirement files: every package pinned and hashed, and no word of where it came from."""

import re
from pathlib import Path

import pytest

from tests.house.repository import files, text

REQUIREMENTS = [path for path in files() if re.fullmatch(r"requirements.*\.txt", path.name)]
URL = re.compile(r"https?://|--(extra-)?index-url|--find-links|--trusted-host")
# Written apart, so that this file passes its own test.
REGISTRIES = tuple(
    f"{name}.{domain}"
    for name, domain in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("proxy.golang", "org"),
        ("sum.golang", "org"),
        ("deb.debian", "org"),
        ("security.debian", "org"),
    )
)


def test_there_are_requirement_files() -> None:
    assert {Path("operator/requirements.txt"), Path("tests/requirements.txt")} <= set(REQUIREMENTS)


@pytest.mark.parametrize("path", REQUIREMENTS, ids=str)
def test_every_requirement_is_pinned_and_hashed(path: Path) -> None:
    joined = text(path).replace("\\\n", " ")
    lines = [line.strip() for line in joined.splitlines()]
    requirements = [line for line in lines if line and not line.startswith(("#", "--"))]

    assert requirements
    assert [line for line in requirements if not re.search(r"==\S+.*--hash=sha256:", line)] == []


@pytest.mark.parametrize("path", REQUIREMENTS, ids=str)
def test_a_requirement_file_names_no_host(path: Path) -> None:
    assert URL.search(text(path)) is None


def test_no_file_names_a_registry() -> None:
    """Which registry is used is the machine's own setting."""
    named = [
        (str(path), host) for path in files() for host in REGISTRIES if host in text(path).lower()
    ]

    assert named == []
