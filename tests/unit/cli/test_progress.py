"""How far long work has come: for a person at a terminal, and for nobody else."""

import io
import re
import sys
from pathlib import Path

import pytest

from tests.unit.cli.test_simulate import CHAT, SLOW, TWO
from tokenfleet.cli.main import main
from tokenfleet.cli.progress import ANEW

FORECAST = [*CHAT, SLOW, "--rate=chat/all=2", "--for=15m"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """Return what the one line showed, one after the other."""
        return self.getvalue().split(ANEW)[1:]


def ended(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stream: io.StringIO,
    *arguments: str,
) -> str:
    """Run a command; return its output."""
    monkeypatch.setattr(sys, "stderr", stream)
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_a_forecast_shows_a_bar_that_grows_and_goes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()

    ended(monkeypatch, capsys, terminal, *FORECAST)

    *bars, last = terminal.lines()
    percents = [int(re.fullmatch(r"\[#* *\] +(\d+) %", bar)[1]) for bar in bars]  # type: ignore[index]
    assert percents == sorted(set(percents))
    assert (percents[0], percents[-1]) == (0, 100)
    assert len(percents) >= 25
    assert last == ""


def test_a_comparison_says_which_run_it_is_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()

    ended(monkeypatch, capsys, terminal, *TWO)

    assert terminal.lines() == ["0/2 E none 0", "1/2 E ours 0", ""]


def test_nothing_is_shown_to_a_file_or_to_who_wants_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, hidden, quiet = Terminal(), io.StringIO(), Terminal()

    said = {
        ended(monkeypatch, capsys, shown, *FORECAST),
        ended(monkeypatch, capsys, hidden, *FORECAST),
        ended(monkeypatch, capsys, quiet, *FORECAST, "--quiet"),
    }

    assert hidden.getvalue() == quiet.getvalue() == ""
    assert len(said) == 1


def test_what_is_shown_is_taken_away_before_an_error_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The disk is full when the picture is written, after everything was computed."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    plot = tmp_path / "e.svg"
    plot.symlink_to("/dev/full")

    assert main([*FORECAST, f"--plot={plot}"]) == 2
    assert terminal.lines()[-1].startswith("tokenfleet simulate: ")
