"""`tokenfleet simulate` prints a table, JSON and a picture, and says what it cannot do."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tokenfleet.cli.forecast_text import length
from tokenfleet.cli.main import main
from tokenfleet.simulation.run import POLICIES

ASKED = ["simulate", "--scenario", "E", "--seeds", "1"]
TWO = [*ASKED, "--policy", "none", "--policy", "ours"]
ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "operator" / "docs" / "examples"
FILES = ("slo-shift", "route-fallback", "pool-gpu-draft", "pool-cpu")
FLEET = ["simulate", "--seeds", "1", *(f"--file={EXAMPLES / name}.yaml" for name in FILES)]
OBJECTS = Path(__file__).parents[2] / "integration" / "prometheus" / "testdata" / "slo.yaml"
CHAT = ["simulate", "--seeds", "1", f"--file={OBJECTS}"]
SLOW = "--fault=pool=primary,type=Slow,from=10m,for=10m,factor=5"


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
    assert main([*ASKED, "--policy", "ours", "-o", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == found[1:]


@pytest.mark.parametrize(
    ("suffix", "begins"), [("svg", b"<svg "), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_a_picture_in_the_format_of_its_suffix(suffix, begins, capsys, tmp_path) -> None:
    file = tmp_path / f"e.{suffix}"

    assert main([*ASKED, "--policy", "ours", "--plot", str(file)]) == 0
    assert file.read_bytes().startswith(begins)
    assert "| E: " in capsys.readouterr().out


def test_gates_are_measured_one_by_one_and_shown_beside_earlier_figures(capsys, tmp_path) -> None:
    asked = [
        "simulate",
        "--gate",
        "fickle",
        "--gate",
        "never-worse-R",
        "--effort=short",
        "--jobs=1",
    ]
    assert main(asked) == 0
    assert capsys.readouterr().out.startswith("kept         half of all clients cancel")
    assert main([*asked, "--output=json"]) == 0
    (tmp_path / "before.json").write_text(capsys.readouterr().out)
    assert main([*asked, f"--before={tmp_path / 'before.json'}"]) == 0
    table = capsys.readouterr().out.splitlines()

    assert table[0] == "| promise | before | now | |"
    assert table[2].endswith("| 0 decisions | 0 decisions | kept |")


def test_a_report_goes_on_where_it_was_cut_off(capsys, tmp_path) -> None:
    report = tmp_path / "figures" / "simulation.json"
    asked = ["simulate", f"--report={report}", "--seeds=1", "--effort=short", "--jobs=1"]
    assert main([*asked, "--gate=never-worse-R"]) == 0
    assert "1 of 1, 0 min left: promise never-worse-R" in capsys.readouterr().err
    assert main([*asked, "--gate=never-worse-R", "--gate=fickle"]) == 0
    told = capsys.readouterr()
    assert "1 of 1, 0 min left: promise fickle" in told.err
    assert told.out.endswith("pieces; broken: none\n")

    held = json.loads(report.read_text())
    assert list(held) == ["promise never-worse-R", "promise fickle"]
    assert held["promise fickle"]["effort"] == {"seeds": 2, "draws": 12, "days": 1.0}
    assert held["promise fickle"]["measured"] == "0 decisions"


def test_what_other_code_measured_is_measured_again(capsys, tmp_path) -> None:
    report = tmp_path / "simulation.json"
    old = {"code": "0", "seeds": 1, "bad": 1.0, "cost": 3.0}
    report.write_text(json.dumps({f"scenario E/{policy}": old for policy in POLICIES}))
    assert main(["simulate", f"--report={report}", "--scenario=E", "--seeds=1", "--jobs=1"]) == 0

    held = json.loads(report.read_text())
    assert [held[f"scenario E/{policy}"]["bad"] < 1 for policy in POLICIES] == [True] * 6
    assert held["scenario E/none"]["code"] == held["scenario E/ours"]["code"] != "0"


def test_a_fleet_of_your_own_in_words(capsys) -> None:
    assert main([*CHAT, SLOW, "--rate=chat/all=4", "--for=30m"]) == 0
    said = capsys.readouterr().out

    assert said.startswith("primary Slow 5 from 10 min for 10 min; 30 min, one run")
    assert "primary: 1 x 8 requests/s as declared" in said
    assert "  T1   first-token: " in said
    assert ": shifting to fallback (primary: 100 % -> " in said


def test_the_page_shows_what_its_command_prints(capsys, tmp_path) -> None:
    page = (ROOT / "operator" / "docs" / "simulate.md").read_text(encoding="utf-8")
    words = re.search(r"^tokenfleet (simulate --load .*?)\n```", page, re.DOTALL | re.MULTILINE)[1]
    arguments = words.replace("\\\n", " ").replace("fleet.png", str(tmp_path / "fleet.svg")).split()

    assert main([str(ROOT / a) if a.startswith("operator/") else a for a in arguments]) == 0
    assert f"It prints:\n\n```\n{capsys.readouterr().out}```" in page


def test_a_fleet_of_your_own_as_data_and_as_a_picture(capsys, tmp_path) -> None:
    load, plot = tmp_path / "load.yaml", tmp_path / "fleet.svg"
    load.write_text(
        """
        lasts: 30m
        rules:
          chat: {rate: 4, episodes: [{from: 25m, rate: 3}]}
        pools:
          fallback: {requestsPerSecond: 10, overload: Sharing}
        faults:
        - {pool: primary, type: Slow, from: 10m, for: 10m, factor: 5}
        """
    )
    assert main([*CHAT, f"--load={load}", f"--plot={plot}", "--output=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (rule,), (slo,) = found["rules"], found["objectives"]

    assert rule["bad"]["controlled"] < rule["bad"]["none"] / 2
    assert slo["bad"]["controlled"] < slo["bad"]["none"] / 2
    assert rule["pools"]["none"] == {"primary": 1.0, "fallback": 0.0}
    assert any(
        line.startswith("fallback: 1 x 10 requests/s as stated") for line in found["assumed"]
    )
    assert found["decisions"][0]["transition"] == "T1"
    assert found["decisions"][0]["second"] > 600
    for decision in found["decisions"]:
        assert f">{decision['transition']}<" in plot.read_text()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(7200, "2 h"), (5400, "1 h 30 min"), (60, "1 min"), (45, "45 s"), (3601, "1 h 1 s")],
)
def test_lengths_are_written_as_people_write_them(seconds: int, words: str) -> None:
    assert length(seconds) == words


def test_what_begins_after_the_end_is_said(capsys, tmp_path) -> None:
    """It would never happen, and the result would look like a fleet that bears it."""
    load = tmp_path / "load.yaml"
    load.write_text(
        "rules: {chat: {rate: 1, episodes: [{from: 2m, rate: 9}, {from: 9m, rate: 9}]}}"
    )
    fault = "--fault=pool=primary,type=Outage,from=5h"

    assert main([*CHAT, "--for=5m", fault, f"--load={load}"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"tokenfleet simulate: {what} begins after the end of the run, which lasts 5 min: let it"
        " begin earlier, or give --for more"
        for what in ("fault Outage of primary", "an episode of chat")
    ]


def test_rules_without_objectives_fill_pools_too_and_nothing_is_judged(capsys) -> None:
    """The fast rule of the example asks nearly all of the small pool: it cannot stand in."""
    fault = "--fault=pool=chat-large,type=Slow,from=10m,factor=5"
    assert main([*FLEET, fault, "--rate=assistant/fast=1.7", "--for=15m", "--output=json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert found["decisions"] == []
    assert [rule["rule"] for rule in found["rules"]] == [
        "default/assistant/fast",
        "default/assistant/slow",
    ]


def test_an_objective_that_acts_on_a_part_of_a_rule_is_refused_with_a_way_out(capsys) -> None:
    part = f"--file={EXAMPLES / 'slo-shift-a-type.yaml'}"

    assert main([*FLEET, part, "--for=10m"]) == 2
    said = capsys.readouterr().err
    assert "default/assistant/slow[type=chat] would get shares of its own" in said
    assert "give these requests a rule of their own" in said


def test_lists_of_kubectl_are_read(capsys, tmp_path) -> None:
    """`kubectl get -o yaml` writes a List."""
    items = [
        "\n".join(f"  {line}" for line in (EXAMPLES / f"{name}.yaml").read_text().splitlines())
        for name in FILES
    ]
    file = tmp_path / "fleet.yaml"
    file.write_text("kind: List\nitems:\n" + "\n".join(f"-\n{item}" for item in items))

    assert main(["simulate", f"--file={file}", "--seeds=1", "--for=10m"]) == 0
    assert "nothing goes wrong; 10 min" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--tick", "0"], "--scrape and --tick must be 1 to 3600", id="no time passes"),
        pytest.param(["--scrape", "nan"], "--scrape and --tick must be", id="no number"),
        pytest.param(["--tick", "inf"], "--scrape and --tick must be", id="for ever"),
        pytest.param(["--days", "nan", "--gates"], "--days must be more than 0", id="no days"),
        pytest.param(["--seeds", "9" * 30], "--seeds and --jobs must be 1 to", id="too many"),
        pytest.param(["--seeds", "0"], "--seeds and --jobs must be 1 to", id="no run"),
        pytest.param(["--draws", "1", "--scenario", "E"], "leave out", id="draws and scenarios"),
        pytest.param(["--plot", "x.svg"], "exactly one", id="a picture of everything"),
        pytest.param(["--report", "x.json", "--draws", "1"], "leave out", id="a report of draws"),
        pytest.param(["--rate", "chat=1"], "need the fleet", id="a load of nothing"),
        pytest.param(
            ["--scenario", "E", "--seeds", "1", "--policy", "none", "--plot", "/no/such/x.svg"],
            "there is no folder /no/such",
            id="a picture nowhere",
        ),
        pytest.param(
            ["--scenario", "E", "--plot", "x.jpg"], ".svg, .png, .pdf", id="an unknown picture"
        ),
        pytest.param(
            [*FLEET[1:], "--rate", "assistant/fast=inf"],
            "load: rules.assistant/fast.rate: must be a number up to 1000000, not inf",
            id="an endless rate",
        ),
        pytest.param(
            [*FLEET[1:], "--capacity", "large=1e30"], "must be a number up to 1000000", id="no end"
        ),
        pytest.param([*FLEET[1:], "--scenario", "E"], "of your own", id="yours and a scenario"),
        pytest.param(
            [*FLEET[1:], "--rate", "assistant/quick=1"],
            "rules.assistant/quick: there is no such rule, only assistant/fast, assistant/slow",
            id="a rule that is not there",
        ),
        pytest.param([*FLEET[1:], "--rate", "1"], "NAME=NUMBER", id="a rate of nobody"),
        pytest.param(
            [*FLEET[1:], "--rate", "assistant=1", "--rate", "assistant=2"],
            "--rate names assistant twice",
            id="two rates of one rule",
        ),
        pytest.param(
            [*FLEET[1:], "--fault", "pool=chat-large,type=Outage,pool=chat-small"],
            "pool stands there twice",
            id="a fault of two pools",
        ),
        pytest.param(
            [*FLEET[1:], "-n", "Nope!"],
            "--namespace must be 1 to 63 small letters, digits and dashes",
            id="a namespace that is none",
        ),
        pytest.param(
            [*FLEET[1:], "--router", "other"],
            "no objective is for ModelRouter other: --router may be default",
            id="a router without objectives",
        ),
        pytest.param(
            [*FLEET[1:], "--fault", "pool=chat-tiny,type=Outage"],
            "there is no pool chat-tiny, only",
            id="a pool that is not there",
        ),
        pytest.param(
            [*FLEET[1:], "--fault", "pool=chat-large,type=Errors,factor=60"],
            "factor must be the fraction of attempts, 0 to 1",
            id="a percentage",
        ),
        pytest.param(
            [*FLEET[1:], "--fault", "pool=chat-large,type=Slow,factor=2,until=noon"],
            "until: 'noon' is not a duration",
            id="a time that is none",
        ),
        pytest.param(
            [*FLEET[1:], "--fault", "pool=chat-large,type=Slow,factor=2,since=10m"],
            "since: there is no such field; there are every, factor, for, from",
            id="a field that is not known",
        ),
        pytest.param(
            [*FLEET[1:], "--fault", "pool=chat-large,Slow"], "name=value", id="no sentence"
        ),
        pytest.param(
            ["--file", str(EXAMPLES / "slo.yaml")], "which is not in the file", id="half a fleet"
        ),
    ],
)
def test_what_cannot_be_done_is_said(arguments, said, capsys) -> None:
    assert main(["simulate", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_pool_whose_capacity_nobody_knows_is_asked_for(capsys, tmp_path) -> None:
    for name in FILES:
        text = (EXAMPLES / f"{name}.yaml").read_text()
        without = text.replace("  capacity:\n", "  labels: {}\n") if name == "pool-cpu" else text
        lines = [line for line in without.splitlines() if "labels: {}" not in line]
        kept = [n for n in lines if name != "pool-cpu" or "requestsPerSecond" not in n]
        (tmp_path / f"{name}.yaml").write_text("\n".join(kept))

    assert main(["simulate", f"--file={tmp_path}"]) == 2
    assert "ServingPool chat-small declares no spec.capacity" in capsys.readouterr().err
    assert main(["simulate", f"--file={tmp_path}", "--capacity=chat-small=2", "--for=1m"]) == 0
