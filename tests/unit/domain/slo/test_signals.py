"""Objectives of every event signal, from the API to the share."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.domain.slo.builders import RULE, Fleet, cell, facts, objective
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.slo.objectives.token_slo import from_token_slo
from tokenfleet.domain.slo.observation.measurement import NO_THRESHOLD, Ladder, Signal

ERRORS = objective("errors", signal=Signal.ERRORS, threshold=NO_THRESHOLD, target=0.99)


def failing(pool: str, rate: float, bad: float):
    return cell(pool, rate, bad, signal=Signal.ERRORS, threshold=NO_THRESHOLD)


@pytest.mark.parametrize(
    ("promise", "signal", "threshold", "target"),
    [
        pytest.param(
            {"type": "Latency", "latency": {"threshold": "500ms", "target": "0.95"}},
            Signal.TTFT,
            timedelta(milliseconds=500),
            0.95,
            id="first tokens by default",
        ),
        pytest.param(
            {
                "type": "Latency",
                "latency": {"signal": "EndToEnd", "threshold": "30s", "target": "0.9"},
            },
            Signal.END_TO_END,
            timedelta(seconds=30),
            0.9,
            id="whole attempts",
        ),
        pytest.param(
            {
                "type": "Latency",
                "latency": {"signal": "TimePerOutputToken", "threshold": "50ms", "target": "0.9"},
            },
            Signal.TPOT,
            timedelta(milliseconds=50),
            0.9,
            id="tokens of a stream",
        ),
        pytest.param(
            {"type": "ErrorRate", "errorRate": {"max": "0.01"}},
            Signal.ERRORS,
            NO_THRESHOLD,
            0.99,
            id="errors",
        ),
    ],
)
def test_an_objective_is_read(promise: dict[str, Any], signal, threshold, target: float) -> None:
    slo = TokenSLO.model_validate(
        {
            "metadata": {"name": "slo", "namespace": "team-a"},
            "spec": {"targetRef": {"name": "chat"}, "objective": promise},
        }
    )
    spec = from_token_slo(slo)

    assert (spec.signal, spec.threshold, spec.target) == (signal, threshold, target)


def test_an_objective_without_its_member_is_refused() -> None:
    slo = TokenSLO.model_validate(
        {
            "metadata": {"name": "slo", "namespace": "team-a"},
            "spec": {"targetRef": {"name": "chat"}, "objective": {"type": "ErrorRate"}},
        }
    )

    with pytest.raises(ValueError, match="ErrorRate"):
        from_token_slo(slo)


def test_errors_go_straight_to_the_floor() -> None:
    """They do not depend on load: halving would leave half of them."""
    fleet = Fleet(objectives=(ERRORS,))
    fleet.see(failing("large", 4, 0.6), failing("small", 4, 0), seconds=60)

    assert fleet.transitions == ["T1"]
    assert fleet.shares() == {"large": 20, "small": 980}


def test_errors_leave_what_the_fallback_cannot_bear() -> None:
    fleet = Fleet(objectives=(ERRORS,), pools=facts(small=1, capacity=4.0))
    fleet.see(failing("large", 8, 0.6), seconds=60, demand=8.0)

    assert fleet.shares() == {"large": 575, "small": 425}  # 0.85 of 4 requests/s of 8


def test_onto_a_fallback_of_unknown_capacity_goes_what_fails_anyway_and_then_the_rest() -> None:
    """What fails is tried again on the fallback at once, so it is no new load."""
    fleet = Fleet(objectives=(ERRORS,), pools=facts(capacity=None))
    fleet.see(failing("large", 4, 0.6), seconds=15)
    first = fleet.shares()["large"]
    fleet.see(failing("large", 4, 0.6), seconds=240)

    assert 400 < first < 550
    assert fleet.transitions == ["T1", "T2"]
    assert fleet.shares()["large"] == 20


def test_a_step_back_onto_errors_returns_to_the_floor() -> None:
    fleet = Fleet(objectives=(ERRORS,))
    fleet.see(failing("large", 4, 0.6), seconds=60)
    fleet.see(failing("large", 4, 0), failing("small", 4, 0), seconds=900)
    stepped = fleet.shares()["large"]
    fleet.see(failing("large", 4, 0.6), failing("small", 4, 0), seconds=60)

    assert stepped > 50
    assert fleet.transitions[-1] in {"T1", "T6"}
    assert fleet.shares()["large"] == 20


def test_a_good_error_vote_does_not_stop_a_bad_latency_vote() -> None:
    """One proof lowers, all must agree to raise."""
    fleet = Fleet(objectives=(ERRORS, objective("latency")))
    slow, fine = cell("large", 4, 0.9), failing("large", 4, 0)
    fleet.see(slow, fine, seconds=60)
    lowered = fleet.shares()["large"]
    fleet.see(cell("large", 4, 0), failing("large", 4, 0.03), seconds=1800)

    assert lowered == 500
    assert fleet.transitions == ["T1"]  # 3 % of errors is not healthy: nothing is given back


def test_the_error_vote_decides_how_far_where_both_are_bad() -> None:
    fleet = Fleet(objectives=(ERRORS, objective("latency")))
    fleet.see(cell("large", 4, 1.0), failing("large", 4, 0.6), seconds=15)

    assert fleet.shares()["large"] == 20


def test_attempts_that_several_signals_count_load_a_foreign_pool_once() -> None:
    """What rules of other routers send is measured; each attempt is one however often it counts."""
    ours = facts(small=1, capacity=10.0)
    foreign = RULE._replace(route="other")
    shares = []
    for cells in ([cell("small", 4, 0)], [cell("small", 4, 0), failing("small", 4, 0)]):
        fleet = Fleet(objectives=(ERRORS,), pools=ours)
        fleet.foreign = {foreign: cells}
        fleet.see(failing("large", 8, 0.6), seconds=30, demand=8.0)
        shares.append(fleet.shares())

    assert shares[0] == shares[1] == {"large": 438, "small": 562}  # 8.5 - 4 of 8 requests/s


def test_quantiles_are_those_of_the_signal() -> None:
    ladders = tuple(
        Ladder(signal=signal, window=timedelta(minutes=3), buckets=((at, 100.0), (99.0, 100.0)))
        for signal, at in ((Signal.TTFT, 0.1), (Signal.END_TO_END, 20.0))
    )
    slo = objective(signal=Signal.END_TO_END, threshold=timedelta(seconds=30))
    fleet = Fleet(objectives=(slo,))
    fleet.ladders = ladders
    view = fleet.see(cell("large", 4, 0, signal=Signal.END_TO_END, threshold=slo.threshold)).slos[
        slo.key
    ]

    assert view.p50 == pytest.approx(10.0)
