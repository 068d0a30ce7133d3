"""How often the bounds of the control loop are wrong, against what they promise.

Coins and worse, through the loop's own windows, looks and discounts, without queues or shares: the
mean time between two false alarms about a pool that spends its budget exactly, and how soon a pool
that fails is proven to.

    pytest -q -s tests/bench/evidence_errors_test.py
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random

import pytest

from tests.unit.domain.slo.builders import RULE, T0, THRESHOLD, WINDOWS, measurement, objective
from tokenfleet.domain.slo.observation.evidence import Evidence
from tokenfleet.domain.slo.observation.history import extended
from tokenfleet.domain.slo.observation.measurement import Cell, Measurement, Tally

SCRAPE = 15
Draw = Callable[[Random, int, float], tuple[int, int]]
"""(luck, tick, attempts expected) -> (good, bad) of one scrape."""


def coin(p: float) -> Draw:
    """Independent attempts."""

    def draw(random: Random, _: int, expected: float) -> tuple[int, int]:
        n = arrivals(random, expected)
        bad = sum(random.random() < p for _ in range(n))
        return n - bad, bad

    return draw


def minutes(p: float) -> Draw:
    """Attempts whose bad fraction is drawn anew each minute, exponentially."""
    now = [0.0]

    def draw(random: Random, tick: int, expected: float) -> tuple[int, int]:
        if tick % 4 == 0:
            now[0] = min(1.0, random.expovariate(1 / p))
        n = arrivals(random, expected)
        bad = sum(random.random() < now[0] for _ in range(n))
        return n - bad, bad

    return draw


def arrivals(random: Random, expected: float) -> int:
    """Draw a Poisson number."""
    n, t = 0, random.expovariate(1.0)
    while t < expected:
        n, t = n + 1, t + random.expovariate(1.0)
    return n


def looks(draw: Draw, rate: float, ticks: int, seed: int = 1) -> Iterator[tuple[int, Evidence]]:
    """Yield what each tick sees, by windows that are asked for when they are due."""
    random, sums = Random(seed), [(0, 0)]
    seen: Measurement | None = None
    for tick in range(1, ticks):
        good, bad = draw(random, tick, rate * SCRAPE)
        sums.append((sums[-1][0] + good, sums[-1][1] + bad))
        at = T0 + timedelta(seconds=SCRAPE * tick)
        due = WINDOWS.due(at, seen.at if seen is not None else None).all
        tallies = {}
        for window in due:
            steps = min(tick, round(window.total_seconds()) // SCRAPE - 1)
            if steps < 1:
                continue
            covered = steps * SCRAPE
            factor = min(window.total_seconds(), covered + 1.1 * SCRAPE) / covered
            now, then = sums[tick], sums[tick - steps]
            tallies[window] = Tally(
                {THRESHOLD: (now[0] - then[0]) * factor}, {THRESHOLD: (now[1] - then[1]) * factor}
            )
        cell = Cell(pool="large", windows=tallies)
        seen = extended(seen, measurement(at, cell, demand=rate), {WINDOWS.short})
        interval = timedelta(seconds=SCRAPE)
        yield tick, Evidence.of(seen.rule(RULE).cells, objective(), interval=interval)


@pytest.mark.parametrize("rate", [0.1, 1.0, 4.0])
@pytest.mark.parametrize(
    ("name", "draw"),
    [("exactly on budget", coin(0.05)), ("80 %, minutes vary", minutes(0.04))],
)
def test_false_alarms(name: str, draw: Draw, rate: float) -> None:
    """At most one in these days; 30 are promised for each alarm, 7 where minutes vary."""
    days = 2
    alarms = [t for t, e in looks(draw, rate, days * 5760) if e.breach() is not None]
    episodes = sum(b - a > 240 for a, b in zip([-241, *alarms], alarms, strict=False))
    print(f"{name}, {rate:g}/s: {episodes} false alarms in {days} days")

    assert episodes <= 1


@pytest.mark.parametrize(("rate", "bad"), [(0.05, 1.0), (0.5, 0.9), (3.0, 0.2), (3.0, 0.1)])
def test_time_to_a_proof(rate: float, bad: float) -> None:
    """Two hours within the budget, then a fault."""
    well, ill = coin(0.02), coin(bad)

    def draw(random: Random, tick: int, expected: float) -> tuple[int, int]:
        return (well if tick < 480 else ill)(random, tick, expected)

    found = (t for t, e in looks(draw, rate, 1200) if t >= 480 and e.breach() is not None)
    after = (next(found) - 479) * SCRAPE
    print(f"{bad:.0%} bad at {rate:g}/s: proved after {after} s")

    assert after <= 45 * 60
