"""The command line."""

import argparse
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from tokenfleet import __version__
from tokenfleet.cli import main as command
from tokenfleet.cli import run


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_one_command_does_not_import_the_others() -> None:
    """The router's image runs the agent only, and must start fast."""
    code = (
        "import sys; from tokenfleet.cli.main import main; main(['version']);"
        "print([m for m in ('kopf', 'kubernetes', 'tokenfleet.cli.run') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def parsed(*arguments: str) -> Any:
    parser = argparse.ArgumentParser()
    run.add_parser(parser.add_subparsers())
    return run._options(parser.parse_args(["run", *arguments]))


def test_flags_become_options() -> None:
    options = parsed("--namespaces=b, a,", "--tick=5s", "--disable-shifting")

    assert options.namespaces == ("a", "b")
    assert options.tick == timedelta(seconds=5)
    assert options.disable_shifting
    assert options.metrics_port == 8080


def test_the_environment_gives_defaults_and_flags_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENFLEET_TICK", "7s")
    monkeypatch.setenv("TOKENFLEET_PROBE_PORT", "9")
    monkeypatch.setenv("TOKENFLEET_DISABLE_SHIFTING", "true")
    monkeypatch.setenv("POD_NAME", "operator-0")

    assert parsed().tick == timedelta(seconds=7)
    assert parsed("--tick=1s").tick == timedelta(seconds=1)
    assert parsed().probe_port == 9
    assert parsed().disable_shifting
    assert parsed().identity == "operator-0"


@pytest.mark.parametrize("value", ["0s", "5", "soon"])
def test_a_bad_duration_is_said_on_one_line(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["run", f"--tick={value}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_version_is_a_flag_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--version"])

    assert capsys.readouterr().out == f"{__version__}\n"
