"""Each claim fails on a record in which its part of the story did not happen."""

from dataclasses import replace

import pytest

from e2e.demo import claims
from e2e.demo.numbers import back_within, baseline_again, comparison, first_shadow, rows
from e2e.demo.timeline import Decision, Mark, Objective, Observation, Timeline
from e2e.load.records import Record, Sent

MARKS = {Mark.LOAD: 0.0, Mark.CAUSE: 60.0, Mark.SHIFT: 150.0, Mark.REMOVED: 300.0, Mark.END: 480.0}
"""A story of eight minutes."""


def share(at: float) -> int:
    """Return the primary's share in the good story."""
    for begin, value in ((430, 1000), (400, 550), (370, 300), (340, 150), (200, 50), (170, 500)):
        if at >= begin:
            return value
    return 1000


def observation(at: float) -> Observation:
    """Return what the good story shows at a moment."""
    now = share(at)
    alerted = 90 <= at < 150
    return Observation(
        at=at,
        shares={"large": now, "small": 1000 - now},
        met=not 80 <= at < 210,
        shadow={"large": 500, "small": 500} if alerted else {},
        shadow_transition="T1" if alerted else "",
        decision=Decision(
            id=f"d{now}", transition="T1", at=at, from_share="1", to_share="0.5", reason="slow"
        )
        if now < 1000
        else None,  # fmt: skip
    )


def record(at: float) -> Record:
    """Return a request of the good story: slow between the cause and the shift's end."""
    slow = 60 <= at < 200
    return Record(
        at=at, feature="generation", conversation="c", outcome="ok", status=200,
        ttft=3.0 if slow else 0.1, pool="large", rule="slow",
    )  # fmt: skip


def story() -> Timeline:
    """Return a record in which everything happened."""
    return Timeline(
        objective=Objective(threshold=0.5, target=0.9),
        primary="large",
        fallback="small",
        feature="generation",
        marks=dict(MARKS),
        observations=[observation(float(at)) for at in range(0, 480, 2)],
        records=[record(at / 4) for at in range(480 * 4)],
        acceptance=0.6,
    )


def failed(told: Timeline) -> set[str]:
    """Return the names of the checks that do not hold."""
    return {check.__name__ for check in claims.CHECKS if not check(told).holds}


def test_the_good_story_bears_out_every_claim() -> None:
    assert failed(story()) == set()


def test_an_empty_record_bears_out_none() -> None:
    empty = Timeline(
        objective=Objective(threshold=0.5, target=0.9), primary="p", fallback="f", feature="g"
    )

    assert failed(empty) == {check.__name__ for check in claims.CHECKS}


def changed(told: Timeline, begin: float, end: float, **change: object) -> Timeline:
    """Change observations in a span."""
    told.observations = [
        replace(seen, **change) if begin <= seen.at < end else seen for seen in told.observations
    ]
    return told


def slowed(told: Timeline, begin: float, end: float, ttft: float | None) -> Timeline:
    """Change the wait of requests sent in a span."""
    told.records = [replace(r, ttft=ttft) if begin <= r.at < end else r for r in told.records]
    return told


BASE = {"large": 1000, "small": 0}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(slowed(story(), 0, 60, 2.0), {"within_objective_before"}, id="slow before"),
        pytest.param(slowed(story(), 60, 200, 0.1), {"breach_persists_under_alert"}, id="no breach"),
        pytest.param(changed(story(), 60, 150, met=None), {"breach_persists_under_alert"}, id="the status never told of the breach"),
        pytest.param(changed(story(), 100, 110, shares={"large": 500, "small": 500}), {"breach_persists_under_alert"}, id="traffic moved under Alert"),
        pytest.param(changed(story(), 60, 150, shadow={}), {"shadow_is_shown"}, id="no shadow"),
        pytest.param(changed(story(), 150, 300, shares=BASE), {"operator_shifts", "within_objective_while_cause_persists"}, id="no shift"),
        pytest.param(slowed(story(), 200, 300, 2.0), {"within_objective_while_cause_persists"}, id="the shift did not help"),
        pytest.param(slowed(story(), 200, 300, None), {"within_objective_while_cause_persists"}, id="no first token at all"),
        pytest.param(changed(story(), 300, 480, shares=BASE), {"recovers_step_by_step"}, id="back in one step"),
        pytest.param(changed(story(), 430, 480, shares={"large": 550, "small": 450}), {"recovers_step_by_step"}, id="not back"),
        pytest.param(changed(story(), 410, 420, shares={"large": 50, "small": 950}), {"recovers_step_by_step"}, id="back and forth"),
        pytest.param(slowed(story(), 460, 480, 2.0), {"within_objective_after"}, id="slow in the end"),
    ],
)  # fmt: skip
def test_a_story_that_went_otherwise_is_told_apart(told: Timeline, expected: set[str]) -> None:
    assert failed(told) == expected


@pytest.mark.parametrize("outcome", ["failed", "cancelled", "unsent"])
def test_one_request_without_an_answer_is_enough(outcome: str) -> None:
    told = story()
    told.records = [replace(told.records[0], outcome=outcome), *told.records[1:]]

    assert failed(told) == {"no_request_failed"}


@pytest.mark.parametrize("acceptance", [None, 0.0, 1.0])
def test_acceptance_of_none_or_all_is_no_speculation(acceptance: float | None) -> None:
    told = story()
    told.acceptance = acceptance

    assert failed(told) == {"speculation_works"}


def test_a_load_beyond_its_limit_is_seen() -> None:
    told = story()
    told.marks[Mark.LOAD] = -300.0

    assert failed(told) == {"load_was_bounded"}


def test_the_numbers_are_measured_from_the_marks() -> None:
    told = story()

    assert claims.first_action(told) == 170.0
    assert first_shadow(told) == 90.0
    assert 225 <= (back_within(told) or 0) <= 230  # 27 of 30 seconds good: the target of 90 %
    assert baseline_again(told) == 430.0
    assert dict(rows(told))["ShiftTraffic to first action"] == "20 s"


def test_the_time_before_the_cause_is_judged_by_requests_that_it_cannot_touch() -> None:
    """Those sent just before it are still waiting when it comes."""
    told = slowed(story(), 58.5, 60, 9.0)

    assert claims.within_objective_before(told).holds
    begin, end = claims.steady_span(told, 60.0)
    assert (end - begin, end) == (claims.WINDOW, 58.5)


def test_a_telling_that_went_wrong_is_not_complete() -> None:
    told = story()
    told.troubles.append("the load did not end well")

    assert failed(told) == {"complete"}
    assert "the load did not end well" in claims.complete(told).facts


def test_both_ways_are_shown_side_by_side() -> None:
    told = {name: values for name, *values in comparison(story())}

    assert told["first token in time"] == ["0%", "77%"]
    assert told["first token p50"] == ["3.0 s", "100 ms"]
    assert told["failed"] == ["0 of 360", "0 of 520"]


def test_the_failed_are_told_of_all() -> None:
    assert dict(rows(story()))["requests failed"] == "0 of 1920"


def test_decisions_are_listed_once_each_by_time() -> None:
    assert [d.at for d in story().decisions()] == sorted(d.at for d in story().decisions())
    assert len(story().decisions()) == len({d.id for d in story().decisions()})


def test_requests_that_still_wait_are_not_in_time() -> None:
    told = story()
    told.running = {("generation", n): Sent(at=400.0, feature="generation", number=n)
                    for n in range(80)}  # fmt: skip

    assert told.good_fraction(390, 410) == 0.5
