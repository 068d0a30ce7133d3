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


ROUTE = """
apiVersion: tokenfleet.dev/v1alpha1
kind: ModelRouter
metadata: {name: default, namespace: team-a}
spec: {type: Managed}
---
apiVersion: tokenfleet.dev/v1alpha1
kind: ModelRoute
metadata: {name: chat, namespace: team-a}
spec:
  parentRefs: [{name: default}]
  modelNames: [chat]
  features: [suggestions]
  rules:
  - {name: fast, matches: [{requestTypes: [edit]}], backendRefs: [{name: small}]}
  - {name: slow, backendRefs: [{name: small}]}
---
apiVersion: tokenfleet.dev/v1alpha1
kind: ServingPool
metadata: {name: small, namespace: team-a}
spec:
  type: Existing
  served: {modelName: small}
  existing: {serviceRef: {name: small, port: 8000}}
---
"""
SLO = """
apiVersion: tokenfleet.dev/v1alpha1
kind: TokenSLO
metadata: {name: ttft, namespace: team-a}
spec:
  targetRef: {name: chat, sectionName: slow}
  objective: {type: Latency, latency: {threshold: 500ms, target: "0.95"}}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("name: chat, s", "name: cht, s", "ModelRoute cht does not exist in namespace"
                     " team-a; create it or correct spec.targetRef.name", id="no route"),
        pytest.param("namespace: team-a", "namespace: team-b", "ModelRoute chat does not exist in"
                     " namespace team-b; create it or correct spec.targetRef.name",
                     id="another namespace"),
        pytest.param("slow", "slwo", "ModelRoute chat has no rule slwo, only fast, slow; correct"
                     " spec.targetRef.sectionName", id="no rule"),
        pytest.param("  objective", "  selector: {requestTypes: [edit]}\n  objective", "no request of"
                     " the selector (requestTypes edit) gets to rule slow of ModelRoute chat: fast"
                     " stands before it and takes them all; correct selector, or"
                     " spec.targetRef.sectionName", id="a selector of nothing"),
    ],
)  # fmt: skip
def test_an_objective_about_nothing_is_said_as_its_condition_would(
    old: str,
    new: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = "team-b" if "team-b" in new else "team-a"

    assert run(ROUTE + SLO, monkeypatch) == 0
    assert capsys.readouterr().err == ""
    assert run(ROUTE + SLO.replace(old, new), monkeypatch) == 1
    assert capsys.readouterr().err == f"tokenfleet render: TokenSLO {where}/ttft: {said}\n"


def test_an_objective_that_cannot_act_beside_another_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    acting = SLO + "  onBreach: {type: ShiftTraffic}\n  selector: {requestTypes: [chat"
    one, other = acting + "]}\n", acting.replace("ttft", "late") + ", more]}\n"
    route = ROUTE.replace("features:", "requestTypes: [chat, more]\n  features:")

    assert run(f"{route}{one}---{other}", monkeypatch) == 1
    assert "overlaps that of TokenSLO late" in capsys.readouterr().err


def test_objectives_of_other_routers_are_not_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ROUTE.split("---", maxsplit=1)[0].replace("default", "other")
    text = f"{other}---{ROUTE}{SLO.replace('slow', 'slwo')}"

    assert run(text, monkeypatch, "--router=other") == 0
    assert run(text, monkeypatch, "--router=default") == 1
