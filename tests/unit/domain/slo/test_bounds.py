"""The bounds hold: what they call rare is rarer, by the exact binomial distribution."""

import math

import pytest

from tokenfleet.domain.slo.observation.bounds import divergence, least, weight
from tokenfleet.domain.slo.observation.dispersion import dispersion


def tail(n: int, least_bad: int, p: float) -> float:
    """Chance of at least so many bad ones of n, exactly."""
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(least_bad, n + 1))


@pytest.mark.parametrize("n", [3, 10, 40, 300])
@pytest.mark.parametrize("p", [0.001, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("nats", [2.0, 6.2, 14.0])
def test_the_chance_of_a_weight_is_at_most_what_it_says(n: int, p: float, nats: float) -> None:
    enough = (k for k in range(n + 1) if k / n > p and weight(k, n, p) >= nats)
    fewest = next(enough, None)

    assert fewest is None or tail(n, fewest, p) <= math.exp(-nats)


def test_nothing_weighs_nothing_and_what_cannot_be_weighs_everything() -> None:
    assert weight(0, 0, 0.05) == 0.0
    assert divergence(0.3, 0.3) == 0.0
    assert divergence(0.1, 0.0) == math.inf


def test_the_least_plausible_fraction_is_where_the_weight_begins() -> None:
    found = least(30, 100, 3.0)

    assert weight(30, 100, found) == pytest.approx(3.0, abs=1e-6)
    assert 0 < found < 0.3
    assert least(0, 100, 3.0) == 0.0


def coins(p: float, n: int, slots: int) -> list[tuple[float, float]]:
    """Slots of n attempts whose bad ones vary as those of a coin do: two deviations either way."""
    spread = math.sqrt(n * p * (1 - p))
    bad = [n * p + spread * (1 if i % 2 else -1) for i in range(slots)]
    return [(n - b, b) for b in bad]


def test_independent_attempts_are_not_discounted() -> None:
    assert dispersion(coins(0.05, 200, 120), 1) == pytest.approx(1.15, abs=0.2)


def test_minutes_that_are_good_or_bad_as_a_whole_count_as_one_attempt_each() -> None:
    slots = [(0.0, 200.0) if i % 20 == 0 else (200.0, 0.0) for i in range(120)]

    assert dispersion(slots, 1) == pytest.approx(200, rel=0.25)


def test_clusters_that_are_longer_than_a_slot_show_in_longer_blocks() -> None:
    """Eight minutes in a row are bad together, one minute alone says little."""
    slots = [(9.0, 1.0) if (i // 8) % 4 == 0 else (10.0, 0.0) for i in range(128)]

    assert dispersion(slots, 1) > 2 * dispersion([slots[i * 37 % 128] for i in range(128)], 1)


def test_what_is_judged_excuses_nothing() -> None:
    fault = [(0.0, 200.0)] * 4

    assert dispersion([*fault, *coins(0.05, 200, 100)], 4) < 2
    assert dispersion([*fault, *coins(0.05, 200, 100)], 0) > 50


def test_of_what_nobody_has_seen_a_little_dependence_is_supposed() -> None:
    assert dispersion([], 1) == 2.25


def test_doubt_is_about_what_was_seen_and_not_about_what_is_supposed() -> None:
    """A pool without one bad attempt shows nothing of how they cluster, however long it is seen."""
    spotless = [(200.0, 0.0)] * 60

    assert dispersion([], 1, doubt=2.0) == dispersion(spotless, 1, doubt=2.0) == 2.25
    assert dispersion(coins(0.05, 200, 60), 1, doubt=2.0) > 1.1
