"""How soon a cost that is too high is answered, and how seldom one that is not."""

import math
import random
from collections.abc import Iterator
from itertools import accumulate

import pytest

from tests.unit.domain.slo.builders import WINDOWS, Fleet, level
from tests.unit.domain.slo.test_levels import pools
from tokenfleet.domain.slo.observation.clear_cost import clearly_above
from tokenfleet.domain.slo.observation.data_state import DataState, Kind
from tokenfleet.domain.slo.observation.level_readings import Reading
from tokenfleet.domain.slo.observation.measurement import Usage, UsageCell

TICK = 15
SIGMA = 1.27
"""Of lognormal costs: the standard deviation is twice the mean."""
TOKENS = 500
"""Mean completion of a request whose cost lies on the limit: 0.01 at the large pool's price."""
DAY = 86_400 // TICK


def bins(draw: random.Random, rate: float, dear: float) -> Iterator[tuple[int, float]]:
    """Yield requests and tokens of one tick after another; arrivals are Poisson's."""
    mean = math.log(TOKENS * dear) - SIGMA**2 / 2
    left = draw.expovariate(rate)
    while True:
        count, tokens = 0, 0.0
        while left < TICK:
            count += 1
            tokens += draw.lognormvariate(mean, SIGMA)
            left += draw.expovariate(rate)
        left -= TICK
        yield count, tokens


def taken(source: Iterator[tuple[int, float]], ticks: int) -> list[tuple[int, float]]:
    return [next(source) for _ in range(ticks)]


@pytest.mark.parametrize(("rate", "limit"), [(5.0, 10), (1.0, 10), (0.3, 35)])
def test_twice_the_limit_is_answered_within_ten_minutes(rate: float, limit: float) -> None:
    """Where requests are few (0.3/s), long windows answer."""
    minutes = [answered(random.Random(seed), rate) for seed in range(8)]

    print(f"\n{rate:g} requests/s: first step after {max(minutes):.1f} min at worst")
    assert max(minutes) <= limit


def answered(draw: random.Random, rate: float) -> float:
    """Return after how many minutes the first step is taken."""
    history = taken(bins(draw, rate, 0.5), 30 * 60 // TICK)
    fleet = Fleet(objectives=(), levels=(level(),), pools=pools())
    for n, one in enumerate(taken(bins(draw, rate, 2.0), 60 * 60 // TICK), start=1):
        history.append(one)
        fleet.usage = (cell(history),)
        fleet.see(demand=rate)
        if fleet.transitions:
            return n * TICK / 60
    return math.inf


def cell(history: list[tuple[int, float]]) -> UsageCell:
    windows = {}
    for window in WINDOWS.levels:
        mine = history[-round(window.total_seconds()) // TICK :]
        requests, tokens = (sum(column) for column in zip(*mine, strict=True))
        windows[window] = Usage(requests=float(requests), completion=tokens)
    return UsageCell(pool="large", windows=windows)


def test_a_cost_on_its_limit_is_clear_at_most_once_in_thirty_days() -> None:
    rate = 0.5
    counts, tokens = zip(*taken(bins(random.Random(7), rate, 1.0), 30 * DAY), strict=True)
    ticks = round(WINDOWS.clear.total_seconds()) // TICK
    requests, used = [0, *accumulate(counts)], [0.0, *accumulate(tokens)]

    alarms, quiet_until = 0, 0
    for now in range(2 * ticks, len(requests)):
        pair = [
            window(requests[end] - requests[end - ticks], used[end] - used[end - ticks])
            for end in (now, now - ticks)
        ]
        if now >= quiet_until and clearly_above(TOKENS, *pair):
            alarms, quiet_until = alarms + 1, now + 2 * ticks

    print(f"\n{rate:g} requests/s: {alarms} false alarms in 30 days")
    assert alarms <= 1


def window(requests: int, tokens: float) -> Reading:
    enough = requests >= level().min_total
    state = DataState(Kind.OK if enough else Kind.INSUFFICIENT)
    return Reading(data=state, requests=requests, value=tokens / requests if requests else None)
