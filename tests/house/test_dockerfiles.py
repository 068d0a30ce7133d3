"""Neither image can install anything: the build itself fails where pip is left in it."""

import re
from pathlib import Path

import pytest

from tests.house.repository import text

DOCKERFILES = [Path("operator/Dockerfile"), Path("router-image/Dockerfile")]
PIP = re.compile(r"\bpip\b|\bensurepip\b|\bget-pip\b|\bapt")
NONE_LEFT = ("! python3 -m pip --version", "! python3 -m ensurepip --version")


def stages(path: Path) -> list[list[str]]:
    """Return the instructions of each stage, without comments."""
    lines = [line for line in text(path).splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found: list[list[str]] = []
    for line in filter(str.strip, joined.splitlines()):
        if line.startswith("FROM "):
            found.append([])
        if found:
            found[-1].append(line)
    return found


@pytest.mark.parametrize("path", DOCKERFILES, ids=str)
def test_the_base_loses_its_pip_and_nothing_brings_one_back(path: Path) -> None:
    *_, shipped = stages(path)
    guard, *others = [line for line in shipped if PIP.search(line)]

    assert guard.startswith("RUN rm -rf ")
    assert [words for words in NONE_LEFT if words not in guard.split("&& ", 1)[1]] == []
    assert others == []


@pytest.mark.parametrize("path", DOCKERFILES, ids=str)
def test_the_environment_that_is_shipped_never_had_one(path: Path) -> None:
    *built, shipped = stages(path)
    copied = [line.split()[-1] for line in shipped if line.startswith("COPY --from=build ")]
    made = " ".join(line for stage in built for line in stage)

    assert copied == ["/opt/tokenfleet"]
    assert f"python3 -m venv --without-pip {copied[0]} " in made
    assert made.count(f"venv {copied[0]}") == 0
