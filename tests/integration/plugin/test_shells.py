"""Completion in the real shells, which source or load what `tokenfleet completion` prints."""

import os
import pty
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.cluster.packages import install_missing
from tests.integration.plugin.conftest import script

pytestmark = pytest.mark.cluster

LIMIT = 120.0
"""Seconds for one word of a shell."""


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """Return a folder with the completions, and with the program that they ask, for PATH."""
    helper = tmp_path / "kubectl_complete-tokenfleet"
    helper.write_text(f'#!/bin/sh\nexec {shlex.join(script("complete"))} "$@"\n')
    helper.chmod(0o755)
    for shell, name in {"bash": "completion.bash", "zsh": "_tokenfleet"}.items():
        command = [*script("main"), "completion", shell]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        (tmp_path / name).write_text(done.stdout)
    return tmp_path


def test_bash_completes(places: Path) -> None:
    line = "COMP_WORDS=(tokenfleet un); COMP_CWORD=1; _tokenfleet"
    asked = f'source {places}/completion.bash; {line}; echo "${{COMPREPLY[@]}}"'
    path = {**os.environ, "PATH": f"{places}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", asked], env=path, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["unpin"]


@dataclass(slots=True)
class Terminal:
    """A shell on a terminal of its own."""

    descriptor: int
    seen: str = ""

    def type(self, keys: str, awaited: str) -> None:
        """Press keys and wait until the terminal shows something."""
        self.seen = ""
        os.write(self.descriptor, keys.encode())
        end = time.monotonic() + LIMIT
        while awaited not in self.seen:
            assert time.monotonic() < end, f"{keys!r} showed {self.seen!r}"
            if select.select([self.descriptor], [], [], 1.0)[0]:
                self.seen += os.read(self.descriptor, 4096).decode(errors="replace")


@contextmanager
def zsh(places: Path) -> Iterator[Terminal]:
    """Run zsh without anybody's settings, its completion switched on."""
    if not shutil.which("zsh"):
        install_missing(["zsh"])
    ours, theirs = pty.openpty()
    path = f"{places}:{os.environ['PATH']}"
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"],
        env={**os.environ, "PATH": path, "TERM": "dumb", "PS1": ""},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    try:
        yield Terminal(ours)
    finally:
        shell.kill()
        shell.wait()
        os.close(theirs)
        os.close(ours)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("compinit -D -u; source {}/_tokenfleet", id="sourced"),
        pytest.param("fpath=({} $fpath); compinit -D -u", id="found in fpath"),
    ],
)
def test_zsh_completes_at_the_first_tab(places: Path, how: str) -> None:
    with zsh(places) as terminal:
        terminal.type(
            f"autoload -U compinit; {how.format(places)}; print rea''dy\n", awaited="ready"
        )
        terminal.type("tokenfleet un\t", awaited="tokenfleet unpin ")
