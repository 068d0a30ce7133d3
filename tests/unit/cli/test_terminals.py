"""Commands at a terminal and in a pipe: nothing but what was asked for, and the right status."""

import argparse
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli import odd_servers as odd
from tests.unit.cli.odd_servers import kubeconfig, serving
from tokenfleet.cli import main as cli
from tokenfleet.cli.complete import choices
from tokenfleet.cli.examples import examples
from tokenfleet.cli.live import fitting
from tokenfleet.cli.main import COMMANDS, main
from tokenfleet.cli.terminal import BAD, Cell, cut, harmless, painted, table

PROGRAM = [sys.executable, "-m", "tokenfleet.cli.main"]


def shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `tokenfleet` is this program."""
    script = f'tokenfleet() {{ {" ".join(PROGRAM)} "$@"; }}; set -o pipefail; {line}'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False,
        env={**os.environ, **variables}, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        pytest.param("tokenfleet version > /dev/full", 1, "tokenfleet version: No space left on device\n", id="a full disk"),
        pytest.param("tokenfleet version >&-", 0, "", id="no output at all"),
    ],
)  # fmt: skip
def test_an_output_that_fails_makes_no_noise(line: str, status: int, said: str) -> None:
    done = shell(line)

    assert (done.returncode, done.stderr) == (status, said)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_form_for_scripts_is_there_wherever_there_is_one(command: str) -> None:
    """One flag for all: who knows `-o yaml` of kubectl writes it anywhere."""
    forms = choices(command).get("--output", [])

    assert not forms or {"text", "json", "yaml"} <= set(forms)


def test_a_help_whose_reader_left_makes_no_noise() -> None:
    """As in `tokenfleet status --help | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*PROGRAM, "status", "--help"], stdout=writer, stderr=subprocess.PIPE, check=False,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )  # fmt: skip
    os.close(writer)

    assert (done.returncode, done.stderr) == (141, b"")


def test_ctrl_c_is_one_line_and_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While a module is imported too, which is most of the first second."""

    def interrupted(_: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.importlib, "import_module", interrupted)

    assert main(["status"]) == 130
    assert capsys.readouterr().err == "\ntokenfleet status: interrupted\n"


def test_ctrl_c_at_a_question_ends_at_once() -> None:
    """An event loop alone would take the first one for itself, and go on reading."""
    code = (
        "import asyncio, sys, os; from tokenfleet.cli.terminal import ask\n"
        "from tokenfleet.cli.main import ended\n"
        "sys.stdin.isatty = lambda: True\n"
        "async def run(): ask('Pin it?', yes=False); return 0\n"
        "sys.exit(ended(['pin'], lambda: asyncio.run(run())))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.read(len("Pin it?")) == "Pin it?"
    child.send_signal(signal.SIGINT)

    assert child.wait(timeout=60) == 130


def test_flags_before_the_command_and_typos_are_explained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments, said in (
        (["-n", "team-a", "status"], "flags come after the command: tokenfleet status ..."),
        (["top", "--every=--"], "--every must have a value, not --"),
        (["staus"], "there is no command 'staus'; did you mean status?"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["help", command])
    said = capsys.readouterr().out

    assert ended.value.code == 0
    assert re.search(rf"^examples?:(.|\n)*^  tokenfleet {command}", said, re.MULTILINE)


def test_sentences_of_a_help_fit_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    parser = argparse.ArgumentParser(prog="x", description="word " * 40, **examples(("-A", "all")))
    lines = parser.format_help().splitlines()

    assert max(map(len, lines)) <= 40
    assert lines[-1] == "  x -A  all"


def test_names_of_callers_cannot_steer_a_terminal() -> None:
    evil = "ann\x1b[2J\x9b1m\n\x07"

    assert harmless(evil) == r"ann\x1b[2J\x9b1m\x0a\x07"
    assert not any(
        map(set("\x1b\x9b\x07\n").intersection, table(("USER",), [(evil,)], colour=False))
    )
    assert painted(Cell(evil, BAD), colour=True).count("\x1b") == 2


def test_a_live_view_fits_its_terminal() -> None:
    """Lines that wrapped would push the first ones out of sight."""
    red = painted(Cell("missed", BAD), colour=True)
    lines = [f"{number} {red} {'x' * 100}" for number in range(30)]
    shown = fitting(lines, os.terminal_size((20, 10)))

    assert len(shown) < 10
    assert all(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= 20 for line in shown)
    assert shown[-1].startswith("... 22 more lines")
    assert cut(f"a{red}b", 3) == "a\x1b[31mmi\x1b[0m"
    assert fitting(["a"], os.terminal_size((20, 10))) == ["a"]


def test_other_scripts_do_not_end_a_command() -> None:
    """Names and messages come from the cluster; a terminal may know ASCII only."""
    code = "from tokenfleet.cli.main import ended; ended(['x'], lambda: print('Ольга') or 0)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip

    assert done.stdout.startswith(r"\u041e")


def test_a_pipe_gets_no_escape_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving({"": odd.EMPTY_LIST}) as server:
        for command in (["status"], ["top"], ["history"]):
            main([*command, "--kubeconfig", kubeconfig(server, tmp_path)])
    assert "\x1b" not in capsys.readouterr().out
