"""Counts become proof only when they are many enough."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.unit.domain.slo.builders import THRESHOLD, WINDOWS, cell, objective
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.slo.objectives.spec import Policy, Windows, from_token_slo
from tokenfleet.domain.slo.observation.evidence import Evidence, wilson_lower


@pytest.mark.parametrize(
    ("bad", "total", "lower"),
    [
        pytest.param(0, 0, 0.0, id="nothing seen proves nothing"),
        pytest.param(0, 100, 0.0, id="nothing bad"),
        pytest.param(5, 20, 0.1274, id="a quarter of twenty"),
        pytest.param(250, 1000, 0.2282, id="a quarter of a thousand"),
        pytest.param(20, 20, 0.8809, id="all of twenty"),
    ],
)
def test_the_wilson_bound_is_the_published_one(bad: int, total: int, lower: float) -> None:
    assert wilson_lower(bad, total) == pytest.approx(lower, abs=5e-4)


@pytest.mark.parametrize(
    ("target", "fast", "slow"),
    [
        pytest.param(0.999, 0.0144, 0.006, id="three nines"),
        pytest.param(0.99, 0.144, 0.06, id="two nines"),
        pytest.param(0.95, 0.25, 0.125, id="p95"),
        pytest.param(0.90, 0.25, 0.125, id="p90"),
        pytest.param(0.80, 0.40, 0.25, id="p80: never below twice the budget"),
        pytest.param(0.50, 0.75, 0.625, id="p50: half way to all bad"),
    ],
)
def test_limits_follow_the_table(target: float, fast: float, slow: float) -> None:
    slo = objective(target=target)

    assert slo.fast_limit == pytest.approx(fast)
    assert slo.slow_limit == pytest.approx(slow)
    assert slo.budget < slo.slow_limit < slo.fast_limit < 1


@pytest.mark.parametrize(
    ("rate", "bad", "fast", "slow"),
    [
        pytest.param(4, 0.60, True, True, id="a clear breach"),
        pytest.param(4, 0.20, False, True, id="a slow one"),
        pytest.param(4, 0.03, False, False, id="within the budget"),
        pytest.param(0.05, 1.00, False, True, id="too few for the fast pair, enough for the slow"),
        pytest.param(0.01, 1.00, False, False, id="too few for anything"),
    ],
)
def test_a_breach_needs_enough_that_is_bad_enough(rate: float, bad: float, fast, slow) -> None:
    evidence = Evidence.of([cell("large", rate, bad)], objective())

    assert (evidence.fast() is not None, evidence.slow() is not None) == (fast, slow)


def test_a_breach_that_is_over_is_not_called() -> None:
    """The long window is still full of bad attempts; the short one is clean."""
    before, now = cell("large", 4, 0.8), cell("large", 4, 0.0)
    windows = {**before.windows, WINDOWS.short: now.windows[WINDOWS.short]}
    held = cell("large", 4, 0.8)
    object.__setattr__(held, "windows", windows)

    assert Evidence.of([held], objective()).fast() is None


def test_an_objective_counts_only_what_it_selects() -> None:
    cells = [cell("large", 4, 1.0, feature="chat"), cell("large", 4, 0.0, feature="other")]
    chat = Evidence.of(cells, objective(features=frozenset({"chat"})))
    both = Evidence.of(cells, objective())

    assert chat.long.ratio == 1.0
    assert both.long.ratio == 0.5


def test_few_attempts_are_healthy_with_one_bad_and_not_with_two() -> None:
    one = Evidence.of([cell("large", 0.05, 1 / 9)], objective())
    two = Evidence.of([cell("large", 0.05, 2 / 9)], objective())

    assert (one.sufficient, one.long.bad, one.healthy) == (False, 1, True)
    assert (two.long.bad, two.healthy) == (2, False)


def token_slo(**bounds: str) -> TokenSLO:
    return TokenSLO.model_validate(
        {
            "metadata": {"name": "latency", "namespace": "team-a"},
            "spec": {
                "targetRef": {"name": "chat", "sectionName": "slow"},
                "objective": {
                    "type": "Latency",
                    "latency": {"threshold": "500ms", "target": "0.95"},
                },
                "onBreach": {"type": "ShiftTraffic", "shiftTraffic": bounds},
            },
        }
    )


@pytest.mark.parametrize(
    ("bounds", "floor"),
    [
        pytest.param({}, 0.05, id="the defaults, whose 1 - 0.95 is no float of 0.05"),
        pytest.param({"primaryFloor": "0.0505"}, 0.051, id="finer than w: up"),
        pytest.param({"primaryFloor": "0", "maxShift": "1"}, 0.0, id="none"),
    ],
)
def test_the_floor_is_a_share_that_w_can_take(bounds: dict[str, str], floor: float) -> None:
    """A hair above, P2 would raise the share to it at every tick, and nothing else would happen."""
    assert from_token_slo(token_slo(**bounds)).policy.floor == floor


def test_a_token_slo_is_read_with_its_defaults() -> None:
    spec = from_token_slo(token_slo(maxShift="0.8"))

    assert spec.windows == Windows(short=timedelta(minutes=1), long=timedelta(minutes=3))
    assert spec.windows.all == tuple(timedelta(minutes=m) for m in (1, 3, 5, 20))
    assert spec.threshold == THRESHOLD
    assert spec.target == float(Decimal("0.95"))
    assert spec.policy == Policy(floor=0.2)
    assert spec.shifts
