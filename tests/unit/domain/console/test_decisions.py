"""Every decision once: by its Event where there is one, by the counter where that has expired."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tokenfleet.domain.console.decisions import AT_ONCE, counted, together, told

T0 = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
STEP = timedelta(minutes=1)


def event(minutes: float, transition: str, reason: str, **change: Any) -> dict[str, Any]:
    return {
        "action": "SetShares",
        "eventTime": f"{T0 + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S.%fZ}",
        "type": "Warning",
        "reason": reason,
        "message": f"rule slow: why ({transition}, decision 1a2b)",
        "involvedObject": {"kind": "ModelRoute", "namespace": "ns", "name": "chat"},
        **change,
    }


def series(transition: str, *values: float, start: float = 0.0) -> tuple[dict[str, str], list[Any]]:
    labels = {"namespace": "ns", "route": "chat", "transition": transition}
    at = (T0 + timedelta(minutes=start)).timestamp()
    return labels, [(at + 60 * n, value) for n, value in enumerate(values)]


def test_events_about_decisions_are_read_oldest_first() -> None:
    others = [event(0, "T1", "x", action="Observe"), event(0, "T1", "x", eventTime=None)]
    pools = event(0, "T1", "x", involvedObject={"kind": "ServingPool", "name": "large"})
    found = told(
        [event(5, "T3", "TrafficReturning"), event(1, "T1", "TrafficShifted"), pools, *others]
    )

    assert [(one.at - T0, one.transition, one.reason) for one in found] == [
        (timedelta(minutes=1), "T1", "TrafficShifted"),
        (timedelta(minutes=5), "T3", "TrafficReturning"),
    ]


def test_a_counter_tells_of_its_growth_and_not_of_what_was_before() -> None:
    found = counted([series("T1", 4, 4, 5, 5, 7)])

    assert [(one.at - T0) // STEP for one in found] == [2, 4, 4]
    assert {(one.reason, one.alarming, one.told) for one in found} == {
        ("TrafficShifted", True, False)
    }


def test_a_counter_that_appears_later_tells_of_a_first_decision() -> None:
    found = counted([series("T1", 1, 1, 1), series("T3", 1, start=2)])

    assert [(one.transition, (one.at - T0) // STEP) for one in found] == [("T3", 2)]


def test_a_restarted_operator_is_no_decision_but_what_it_decides_is() -> None:
    found = counted([series("T1", 5, 5, 0, 1)])

    assert [(one.at - T0) // STEP for one in found] == [3]


def test_an_event_speaks_for_the_count_that_it_explains() -> None:
    spoken = told([event(9.5, "T1", "TrafficShifted")])
    counts = counted([series("T1", 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2)])
    found = together(spoken, counts, STEP)

    assert [((one.at - T0) // timedelta(seconds=30), one.told) for one in found] == [
        (4, False),
        (19, True),
    ]


def test_two_counts_need_two_events() -> None:
    spoken = told([event(1, "T3", "TrafficReturning")])
    counts = counted([series("T3", 0, 2)])

    assert sorted(one.told for one in together(spoken, counts, STEP)) == [False, True]


def test_numbers_that_no_counter_of_ours_has_are_no_decisions() -> None:
    """Any target of a Prometheus may expose a metric of this name."""
    nan, inf = float("nan"), float("inf")

    assert counted([series("T1", 0, nan, inf, -inf, 0)]) == ()
    assert len(counted([series("T1", 0, nan, 2)])) == 2
    assert len(counted([series("T1", 0, 1e12)])) == AT_ONCE
    assert counted([series("T1", nan, nan)]) == ()


@pytest.mark.parametrize("time", ["", "yesterday", "0001-01-01T00:00:00+14:00"])
def test_an_event_of_no_time_is_left_out(time: str) -> None:
    assert told([{**event(0, "T1", "TrafficShifted"), "eventTime": time, "metadata": {}}]) == ()
