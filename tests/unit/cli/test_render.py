"""`tokenfleet render`, as a shell sees it."""

import io
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest
import yaml

from tokenfleet.cli import render

TESTDATA = Path(__file__).parents[1] / "adapters" / "envoy" / "testdata"


def run(text: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    parser = ArgumentParser()
    render.add_parser(parser.add_subparsers(dest="command"))
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return render.run(parser.parse_args(["render", *arguments]))


def test_problems_show_in_the_output_and_in_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run((TESTDATA / "problems" / "in.yaml").read_text(), monkeypatch, "--part=problems")

    (shown,) = yaml.safe_load_all(capsys.readouterr().out)
    assert status == 1
    assert shown["router"] == "default"
    assert {problem["reason"] for problem in shown["problems"]["second"]} == {"ModelNameConflict"}


def test_a_good_fleet_exits_with_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run((TESTDATA / "chat" / "in.yaml").read_text(), monkeypatch) == 0


def test_input_without_a_router_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (TESTDATA / "nothing" / "in.yaml").read_text()

    assert run(text, monkeypatch, "--router=another") == 2
    assert "no ModelRouter" in capsys.readouterr().err
