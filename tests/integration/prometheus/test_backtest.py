"""A backtest decides what the operator decided: the same inputs, the same identifiers (I16)."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.integration.prometheus.conftest import Prometheus
from tests.integration.prometheus.live import Live
from tokenfleet.cli.main import main
from tokenfleet.domain.fleet.subject import subjects
from tokenfleet.simulation.fleet import Scenario, chat, promise
from tokenfleet.simulation.pools import Pool
from tokenfleet.simulation.profiles import Episode, Fault, Kind, constant
from tokenfleet.simulation.run import simulate
from tokenfleet.simulation.scrapes import EPOCH

FILE = Path(__file__).parent / "testdata" / "slo.yaml"

POOLS = {"primary": Pool(), "fallback": Pool(servers=96)}


def errors(pool: str, factor: float, start: float, end: float) -> Fault:
    when = Episode(start=start, lasts=end - start)
    return Fault(pool=pool, kind=Kind.ERRORS, when=when, factor=factor)


SCENARIO = Scenario(
    name="recorded",
    says="errors, an outage of Prometheus while shifted, and errors again soon after",
    seconds=4500,
    streams=(chat(constant(2.0), POOLS),),
    pools=POOLS,
    faults=(
        errors("primary", 0.6, 900, 1500),
        errors("primary", 0.6, 2700, 3000),
        errors("fallback", 0.02, 900, 1500),
    ),
    objectives=(promise(),),
    fault_at=900,
    blind=((1600, 2000),),
)


@pytest.fixture(scope="module")
def live(recorder: Prometheus) -> Iterator[Live]:
    """A run of 75 minutes, closed loop, through the real Prometheus."""
    (subject,) = subjects(FILE.read_text(), namespace="default")
    chooser = Live(recorder.url, SCENARIO, subject)
    simulate(SCENARIO, "ours", seed=1, chooser=chooser)
    yield chooser
    chooser.close()


def backtest(
    recorder: Prometheus,
    live: Live,
    capsys: pytest.CaptureFixture[str],
    *more: str,
    file: Path = FILE,
) -> dict:
    first, last = (EPOCH + timedelta(seconds=live.ticks[i]) for i in (0, -1))
    status = main(
        [
            "backtest",
            f"--file={file}",
            f"--prometheus-url={recorder.url}",
            f"--from={first.isoformat(timespec='milliseconds')}",
            f"--to={last.isoformat(timespec='milliseconds')}",
            "--output=json",
            *more,
        ]
    )
    assert status == 0
    found: dict = json.loads(capsys.readouterr().out)
    return found


def states(found: dict, live: Live) -> list[str]:
    """The data state of every tick, as the backtest tells it in stretches."""
    stretches = found["facts"]["dataStates"]["simulation/first-token"]
    told = []
    for t in live.ticks:
        at = (EPOCH + timedelta(seconds=int(t))).isoformat().replace("+00:00", "Z")
        told.append([s["state"] for s in stretches if s["from"] <= at][-1].partition("/")[0])
    return told


def settled(told: list[str], live: Live) -> list[str]:
    """Without the first 5 minutes: the live operator knew its router before its first scrape."""
    return [state for state, t in zip(told, live.ticks, strict=True) if t > 300]


def test_a_backtest_takes_the_decisions_of_the_live_run_identifier_by_identifier(
    recorder: Prometheus, live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    """I16; the parts of 20 minutes show that a cut of the range leaves no seam."""
    found = backtest(recorder, live, capsys, "--chunk=20m", "--no-sensitivity")
    decisions = found["facts"]["decisions"]

    assert found["ticks"] == len(live.ticks)
    assert [(d["id"], d["transition"]) for d in decisions] == live.decisions
    assert len(live.decisions) >= 5
    assert "Unknown" in live.states
    assert all(d["followed"] for d in decisions)
    assert settled(states(found, live), live) == settled(live.states, live)


def test_an_objective_that_only_alerts_shows_the_first_step_of_its_shift(
    recorder: Prometheus, live: Live, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Until the first shift both are the same; then the shadow's shift is in no traffic, so it ends."""
    written = FILE.read_text().replace("ShiftTraffic, shiftTraffic: {}", "Alert")
    (tmp_path / "alert.yaml").write_text(written)
    plot = tmp_path / "plot.svg"
    found = backtest(recorder, live, capsys, f"--plot={plot}", file=tmp_path / "alert.yaml")
    first, *others = found["facts"]["decisions"]
    episode, *_ = found["facts"]["episodes"]
    table = {row["variant"]: row for row in found["facts"]["sensitivity"]}

    assert (first["id"], first["transition"]) == live.decisions[0]
    assert first["shadowOf"] == "first-token"
    assert first["followed"]
    assert {one["transition"] for one in others} <= {"T1"}
    assert 0 <= episode["actedAfterSeconds"] <= 90
    assert table["limits x 2"]["firstActionAt"] >= table["as written"]["firstActionAt"]
    assert table["as written"]["decisions"] == len(found["facts"]["decisions"])
    assert ET.parse(plot).getroot().tag.endswith("svg")


def test_a_range_without_a_router_is_refused_in_one_sentence(
    recorder: Prometheus, live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(
        [
            "backtest",
            f"--file={FILE}",
            f"--prometheus-url={recorder.url}",
            "--from=2025-06-01T00:00:00Z",
            "--to=2025-06-01T01:00:00Z",
        ]
    )
    said = capsys.readouterr().err

    assert status == 2
    assert "no router was scraped" in said
    assert said.count("\n") == 1
