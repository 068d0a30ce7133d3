"""What is told on the second cluster is shown, whole and in order."""

import subprocess
import sys
from pathlib import Path

import pytest

from e2e.stories.__main__ import _follow

TELLS = """
import time
for number in range(40):
    print("story", number, flush=True)
    time.sleep(0.05)
"""


def test_what_a_process_goes_on_to_write_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    with log.open("w") as written:
        process = subprocess.Popen([sys.executable, "-c", TELLS], stdout=written)
        _follow(process, log)

    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if line.startswith("story")] == [f"story {n}" for n in range(40)]
