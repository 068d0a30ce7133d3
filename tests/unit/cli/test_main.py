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


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--tick=5", ("--tick: '5' is not a duration such as 500ms, 30s, 10m or 1h30m: give it a"
                     " unit, as in 5s")),
        ("--namespaces=team-a,Team_B", ("--namespaces must be 1 to 63 small letters, digits and"
                                       " dashes, with a letter or digit at both ends, such as"
                                       " team-a, not 'Team_B'")),
        ("--lease-namespace=Nope!", "--lease-namespace must be 1 to 63 small letters"),
        ("--metrics-port=99999", "--metrics-port must be between 0 and 65535, not 99999"),
        ("--log-level=loud", ("--log-level must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL,"
                             " not loud")),
    ],
    ids=lambda text: text.partition("=")[0],
)  # fmt: skip
def test_a_flag_that_makes_no_sense_is_named(
    flag: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["run", flag]) == 2
    assert capsys.readouterr().err.startswith(f"tokenfleet run: {said}")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("DISABLE_SHIFTING", "yes", "TOKENFLEET_DISABLE_SHIFTING must be true or false, not yes"),
        ("CONSOLE_TOKEN", "on", "TOKENFLEET_CONSOLE_TOKEN must be true or false, not on"),
        ("LOG_FORMAT", "xml", "--log-format must be json or text, not xml"),
    ],
)
def test_a_variable_that_says_neither_yes_nor_no_is_refused(
    variable: str,
    value: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Who writes `yes` believes that nothing is shifted."""
    monkeypatch.setenv(f"TOKENFLEET_{variable}", value)

    assert command.main(["run"]) == 2
    assert capsys.readouterr().err == f"tokenfleet run: {said}\n"


@pytest.mark.parametrize(("value", "off"), [("1", True), ("TRUE", True), ("0", False), ("", False)])
def test_a_variable_that_is_a_switch(
    value: str, *, off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENFLEET_DISABLE_SHIFTING", value)

    assert parsed().disable_shifting is off


def test_an_agent_without_a_router_says_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["agent", "run"]) == 2
    assert "--router must be 1 to 63 small letters" in capsys.readouterr().err
