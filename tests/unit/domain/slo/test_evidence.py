"""Counts become proof only when they are many enough."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.unit.domain.slo.builders import THRESHOLD, WINDOWS, cell, objective
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.slo.objectives.spec import Policy, Windows
from tokenfleet.domain.slo.objectives.token_slo import from_token_slo
from tokenfleet.domain.slo.observation.evidence import Evidence
from tokenfleet.domain.slo.observation.measurement import Slots


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
    ("rate", "bad", "minutes"),
    [
        pytest.param(4, 0.60, 1, id="much of much: at once"),
        pytest.param(4, 0.20, 2, id="four budgets"),
        pytest.param(4, 0.10, 8, id="two budgets"),
        pytest.param(4, 0.03, None, id="within the budget"),
        pytest.param(0.05, 1.00, 4, id="three attempts a minute, all bad"),
        pytest.param(0.01, 1.00, 16, id="one in two minutes, all bad"),
    ],
)
def test_the_shortest_window_that_proves_a_breach_depends_on_rate_and_badness(
    rate: float, bad: float, minutes: int | None
) -> None:
    found = Evidence.of([cell("large", rate, bad)], objective()).breach()

    assert (found.window if found else None) == (timedelta(minutes=minutes) if minutes else None)


def changed(window: timedelta, bad: float, *, rate=4.0, otherwise=0.0):
    """A pool whose windows up to one length are bad and whose longer ones are not, or so."""
    held = cell("large", rate, otherwise)
    now = cell("large", rate, bad)
    return replace(
        held, windows={w: (now if w <= window else held).windows[w] for w in held.windows}
    )


def test_a_breach_that_is_over_is_not_called() -> None:
    """The longer windows are still full of bad attempts; the shortest is clean."""
    assert Evidence.of([changed(WINDOWS.short, 0.0, otherwise=0.8)], objective()).breach() is None


def test_a_window_that_is_longer_than_the_traffic_says_no_more_than_its_half() -> None:
    """A route that is two minutes old: 8 % bad is nothing yet, and would be much for a quarter."""
    held = cell("large", 40, 0.08)
    two = held.windows[2 * WINDOWS.short]
    young = replace(
        held, windows={w: (t if w <= 2 * WINDOWS.short else two) for w, t in held.windows.items()}
    )

    assert Evidence.of([held], objective()).breach() is not None
    assert Evidence.of([young], objective()).breach() is None


def test_a_window_that_was_not_scraped_well_enough_does_not_judge() -> None:
    bad = cell("large", 4, 1.0)
    covered = [w for w in WINDOWS.all if w > WINDOWS.short]
    found = Evidence.of([bad], objective(), covered=covered).breach()

    assert found is not None
    assert found.window == 2 * WINDOWS.short
    assert Evidence.of([bad], objective(), covered=()).breach() is None


@pytest.mark.parametrize(
    ("threshold", "seconds", "judged"),
    [
        pytest.param(0.5, 61, True, id="a minute after the change, its attempts decided"),
        pytest.param(0.5, 60, False, id="the window reaches back before the change"),
        pytest.param(120, 179, False, id="attempts of before are decided for two minutes more"),
        pytest.param(120, 181, True, id="and then they are"),
    ],
)
def test_a_share_is_judged_by_its_own_attempts_whatever_the_threshold(
    threshold: float, seconds: int, judged
) -> None:
    slo = objective(threshold=timedelta(seconds=threshold))
    bad = cell("large", 4, 1.0, threshold=slo.threshold)
    found = Evidence.of([bad], slo).still_bad(timedelta(seconds=seconds))

    assert (found is not None) is judged


@pytest.mark.parametrize(
    ("rate", "bad", "level", "minutes"),
    [
        pytest.param(1, 0.0, 1.0, 8, id="good attempts prove it, in the longest window there is"),
        pytest.param(0.02, 0.0, 1.0, 8, id="a dozen are enough after everything was bad"),
        pytest.param(0.02, 0.0, 0.2, 0, id="and not after a fifth was"),
        pytest.param(1, 0.6, 1.0, 0, id="bad ones prove nothing good"),
        pytest.param(0.0, 0.0, 1.0, 0, id="silence proves nothing"),
    ],
)
def test_health_is_proved_by_good_attempts_against_how_bad_it_was(
    rate: float, bad: float, level: float, minutes: int
) -> None:
    evidence = Evidence.of([cell("large", rate, bad)], objective())
    found = evidence.well_for(timedelta(minutes=9), level=level)

    assert found == timedelta(minutes=minutes)


def test_minutes_that_vary_by_themselves_prove_less() -> None:
    """Every tenth minute was all bad for two hours: one more is no news. Without that it is."""
    key = (WINDOWS.short, THRESHOLD)
    now = changed(WINDOWS.short, 1.0)
    rough = Slots(tuple([240] * 9 + [0]) * 12, tuple([0] * 9 + [240]) * 12)
    even = Slots((238,) * 120, (2,) * 120)

    assert Evidence.of([replace(now, slots={key: even})], objective()).breach() is not None
    assert Evidence.of([replace(now, slots={key: rough})], objective()).breach() is None


def test_an_objective_counts_only_what_it_selects() -> None:
    cells = [cell("large", 4, 1.0, feature="chat"), cell("large", 4, 0.0, feature="other")]
    chat = Evidence.of(cells, objective(features=frozenset({"chat"})))
    both = Evidence.of(cells, objective())

    assert chat.long.ratio == 1.0
    assert both.long.ratio == 0.5


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
        pytest.param({}, 0.02, id="the defaults, whose 1 - 0.98 is no float of 0.02"),
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
    assert spec.windows.evidence == tuple(timedelta(minutes=2**k) for k in range(8))
    assert spec.threshold == THRESHOLD
    assert spec.target == float(Decimal("0.95"))
    assert spec.policy == Policy(floor=0.2)
    assert spec.shifts
