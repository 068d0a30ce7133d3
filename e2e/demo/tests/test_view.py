"""The view, the reading of status and the plot, on made-up objects."""

import io
from pathlib import Path

from rich.console import Console

from e2e.demo import plot
from e2e.demo.timeline import Mark, Objective, Timeline
from e2e.demo.view import Screen, bar, line
from e2e.demo.watch import observed, pod_state
from e2e.load.records import Record

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
        "shadow": {"shares": [{"name": "large", "share": 500}], "transition": "T1"},
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

    for part in ("12s", "large 50%", "p50 600 ms", "met=False", "sent 11 failed 0"):
        assert part in shown


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


def test_the_plot_is_written(tmp_path: Path) -> None:
    plot.draw(story(), tmp_path / "deep" / "demo.png")

    assert (tmp_path / "deep" / "demo.png").stat().st_size > 10_000
