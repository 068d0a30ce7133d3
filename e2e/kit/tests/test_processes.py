"""What runs beside a story is kept running, and ends with it."""

import os
from pathlib import Path

from e2e.kit.processes import process
from e2e.kit.waiting import NotYet, wait_for

WRITES = ["sh", "-c", 'echo $$ >> "$0"; read -r wait < "$1"']
"""Writes its number, and ends when somebody writes a line into a pipe."""


def numbers(file: Path, *, wanted: int) -> list[int]:
    def enough() -> list[int] | NotYet:
        found = file.read_text().split() if file.exists() else []
        return [int(one) for one in found] if len(found) == wanted else NotYet(str(found))

    return wait_for(f"{wanted} starts", enough, timeout=60, every=0.05)


def test_what_ends_too_early_is_started_again_and_then_ended(tmp_path: Path) -> None:
    file, pipe = tmp_path / "started", tmp_path / "pipe"
    os.mkfifo(pipe)
    with (tmp_path / "log").open("w") as log, process([*WRITES, str(file), str(pipe)], log=log):
        numbers(file, wanted=1)
        pipe.write_text("end\n")
        first, second = numbers(file, wanted=2)
        assert alive(second)

    assert not alive(first)
    assert not alive(second)


def alive(number: int) -> bool:
    return Path(f"/proc/{number}").exists()
