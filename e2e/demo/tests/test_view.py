"""The view, the reading of status and the plot, on made-up objects."""

import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from e2e.demo import archive, plot, tape, terminal
from e2e.demo.timeline import Mark, Objective, Timeline
from e2e.demo.view import PlainLog, Screen, bar, line
from e2e.demo.watch import observed, pod_state
from e2e.load.records import Record, Sent

ROUTE = {
    "status": {
        "rules": [
            {"name": "fast", "shares": [{"name": "small", "share": 1000}]},
            {
                "name": "slow",
                "reason": "Shifted",
                "shares": [{"name": "large", "share": 500}, {"name": "small", "share": 500}],
            },
        ]
    }
}
SLO = {
    "status": {
        "state": "Shifted",
        "data": {"state": "OK"},
        "current": {"total": 80, "bad": 40, "burnRate": "5.0"},
        "quantiles": {"p50": "2.1s", "p99": "4s"},
        "shadow": {"shares": [{"name": "large", "share": 500}], "transition": "T1",
                   "message": "large slow: shifting to small"},
        "lastDecision": {
            "id": "8f2c", "transition": "T1", "at": "2026-01-01T00:00:10Z", "fromShare": "1.0",
            "toShare": "0.5", "reason": "fast: 47.6% > 25% (n=84)",
        },
        "conditions": [{"type": "Met", "status": "False"}],
    }
}  # fmt: skip
POD = {
    "metadata": {"name": "large-abc", "labels": {"tokenfleet.dev/pool": "large"}},
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"resources": {"limits": {"cpu": "100m"}}}],
    },
}
T0 = 1767225600.0  # 2026-01-01T00:00:00Z


def story() -> Timeline:
    """Return a short record."""
    seen = observed(T0 + 12, route=ROUTE, slo=SLO, pods=[POD], rule="slow")
    return Timeline(
        objective=Objective(threshold=0.5, target=0.9),
        primary="large",
        fallback="small",
        feature="generation",
        marks={Mark.LOAD: T0, Mark.CAUSE: T0 + 4},
        observations=[seen],
        records=[
            Record(at=T0 + n, feature="generation", conversation="c", outcome="ok", status=200,
                   ttft=0.1 * n, pool="large", rule="slow") for n in range(1, 12)
        ],
    )  # fmt: skip


def test_the_status_is_read_as_a_user_reads_it() -> None:
    seen = story().observations[0]

    assert seen.shares == {"large": 500, "small": 500}
    assert (seen.reason, seen.state, seen.data, seen.met) == ("Shifted", "Shifted", "OK", False)
    assert seen.decision is not None
    assert seen.decision.at == T0 + 10
    assert seen.shadow == {"large": 500}


def test_objects_without_status_are_not_known_yet() -> None:
    seen = observed(T0, route={}, slo={}, pods=[{"metadata": {"name": "p"}}], rule="slow")

    assert seen.shares == {}
    assert seen.met is None
    assert seen.decision is None


def test_a_pod_shows_the_limit_in_force() -> None:
    assert pod_state(POD).cpu == "100m"
    assert pod_state({"metadata": {"name": "p", "deletionTimestamp": "now"}}).phase == "Terminating"


def test_one_line_holds_what_matters() -> None:
    shown = line(story(), T0 + 12)

    for part in ("  12 s", "large 50 %, small 50 %", "p50 600 ms, 6 of 11 late", "objective missed",
                 "0 of 11 failed"):  # fmt: skip
        assert part in shown


def test_while_nobody_is_answered_the_line_tells_how_long_they_wait() -> None:
    told = story()
    told.running = {("generation", n): Sent(at=T0 + 12 + n, feature="generation", number=n)
                    for n in range(10)}  # fmt: skip

    shown = line(told, T0 + 30)

    assert "no first token lately, 7 of 7 late, oldest waits 18.0 s" in shown


def test_a_decision_is_told_once_with_its_reason() -> None:
    told = PlainLog(story())

    first, second = told.news(T0 + 12), told.news(T0 + 30)

    assert "->   10 s  fast: 47.6% > 25% (n=84)" in first
    assert "->   12 s  would have: large slow: shifting to small" in first
    assert not [text for text in second if text.startswith("->")]


def test_no_line_shows_how_python_writes_things() -> None:
    for text in PlainLog(story()).news(T0 + 12):
        assert not re.search(r"[{}]|None|True|False", text), text


def test_the_tape_holds_what_was_told_and_players_can_read_it(tmp_path: Path) -> None:
    recorded = tape.Tape()
    screen = Screen(story(), Console(file=io.StringIO()), recorded)
    screen.say("the large pool gets slow")

    tape.write(recorded, tmp_path / "t.cast")

    head, event = map(json.loads, (tmp_path / "t.cast").read_text().splitlines())
    assert (head["version"], head["width"]) == (2, tape.WIDTH)
    assert event == [0.0, "o", "== the large pool gets slow\r\n"]
    assert tape.read(tmp_path / "t.cast") == [(0.0, "== the large pool gets slow")]


def test_the_film_shows_every_line_as_well_formed_svg() -> None:
    lines = [(float(n), f"== {n} <&> " + "long words " * 14) for n in range(40)]

    drawn = ET.fromstring(terminal.draw(lines, width=100, title="make demo"))

    texts = ["".join(one.itertext()) for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert len(texts) == 1 + 2 * 40
    assert max(map(len, texts)) <= 100
    assert "== 39 <&>" in texts[-2]


def test_the_view_draws_pods_shares_objective_and_decisions() -> None:
    console = Console(file=io.StringIO(), width=110)
    screen = Screen(story(), console)
    screen.say("the large pool gets slow")
    console.print(screen.render())
    drawn = console.file.getvalue()

    for part in ("large-abc", "100m", "50 %", "missed", "47.6%", "the large pool gets slow", "T1"):
        assert part in drawn


def test_a_bar_is_as_long_as_its_share() -> None:
    assert bar(0).count("█") == 0
    assert bar(500).count("█") == 15
    assert bar(1000).count("█") == 30


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_plot_is_written(suffix: str, magic: bytes, tmp_path: Path) -> None:
    target = tmp_path / "deep" / f"demo.{suffix}"

    plot.draw(story(), target)

    assert target.read_bytes().startswith(magic)
    assert target.stat().st_size > 10_000


def test_equal_records_give_equal_pictures(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        plot.draw(story(), tmp_path / name)

    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_record_survives_its_file(tmp_path: Path) -> None:
    archive.write(story(), tmp_path / "story.json")

    assert archive.read(tmp_path / "story.json") == story()
