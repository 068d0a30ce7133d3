"""`tokenfleet simulate` prints a table, JSON and a picture, and says what it cannot do."""

import json

import pytest

from tokenfleet.cli.main import main

ASKED = ["simulate", "--scenario", "E", "--seeds", "1"]
TWO = [*ASKED, "--policy", "none", "--policy", "ours"]


def test_a_table(capsys) -> None:
    assert main(TWO) == 0
    table = capsys.readouterr().out.splitlines()

    assert table[2] == "| scenario | none | ours |"
    assert table[4].startswith("| E: 60 % errors for 15 min | 7")


def test_json(capsys) -> None:
    assert main([*TWO, "--output", "json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert [result["policy"] for result in found] == ["none", "ours"]
    assert len(found[0]["minutes"]) == 120
    assert found[1]["decisions"][0][1] == "T1"


def test_a_picture(capsys, tmp_path) -> None:
    assert main([*ASKED, "--policy", "ours", "--plot", str(tmp_path / "e.svg")]) == 0
    assert (tmp_path / "e.svg").read_text().startswith("<svg ")
    assert "| E: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--tick", "0"], "must be more than 0", id="no time passes"),
        pytest.param(["--seeds", "0"], "must be more than 0", id="no run"),
        pytest.param(["--draws", "1", "--scenario", "E"], "leave out", id="draws and scenarios"),
        pytest.param(["--plot", "x.svg"], "exactly one", id="a picture of everything"),
        pytest.param(
            ["--scenario", "E", "--seeds", "1", "--policy", "none", "--plot", "/no/such/x.svg"],
            "No such file",
            id="a picture nowhere",
        ),
    ],
)
def test_what_cannot_be_done_is_said(arguments, said, capsys) -> None:
    assert main(["simulate", *arguments]) == 2
    assert said in capsys.readouterr().err
