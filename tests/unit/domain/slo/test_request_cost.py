"""The mean cost of a request: measured where there is enough, estimated elsewhere."""

import pytest

from tests.unit.domain.slo.builders import RULE, T0, WINDOWS, facts, measurement, target, used
from tokenfleet.domain.slo.observation.measurement import (
    PoolFacts,
    RuleMeasurement,
    TokenPrices,
    Usage,
    UsageCell,
)
from tokenfleet.domain.slo.observation.request_cost import request_cost
from tokenfleet.domain.slo.observation.snapshot import Snapshot

PRICES = TokenPrices(prompt=0.01, cached=0.001, completion=0.02, written=0.0125)
W = WINDOWS.level


def of(*cells: UsageCell, prices: TokenPrices | None = PRICES) -> float | None:
    pools = {**facts(), "team-a/cloud": PoolFacts(ready=1, desired=1, tokens=prices, external=True)}
    seen = measurement(T0)
    seen.rules[RULE] = RuleMeasurement(usage=cells, demand=1.0)
    return request_cost(
        Snapshot(rules=(target(),), pools=pools, measurement=seen), RULE, "cloud", W
    )


def test_enough_requests_on_the_pool_say_it_themselves() -> None:
    mine = used("cloud", 1, prompt=10, cached=8, completion=1)

    assert of(mine, used("large", 9, prompt=1000)) == pytest.approx(2 * 0.01 + 8 * 0.001 + 0.02)


def test_else_the_rules_tokens_at_the_pools_price_and_nothing_is_cached() -> None:
    few = used("cloud", 0.01, prompt=500)
    rule = used("large", 1, prompt=10, cached=9, written=1, completion=2)

    assert of(rule) == pytest.approx(10 * 0.01 + 2 * 0.02)
    assert of(few, rule) == pytest.approx(((0.01 * 500 + 10) * 0.01 + 2 * 0.02) / 1.01, rel=1e-6)


def test_requests_without_usage_count_in_neither_part() -> None:
    assert of(used("large", 1, prompt=5, missing=0.5)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("cells", "prices"),
    [
        ((), PRICES),
        ((used("large", 1, missing=1, prompt=5),), PRICES),
        ((UsageCell(pool="large", windows={2 * W: Usage(requests=100, prompt=5)}),), PRICES),
        ((UsageCell(pool="large", windows={W: Usage(requests=100)}, broken=True),), PRICES),
        ((used("large", 1, prompt=5),), None),
    ],
    ids=["nothing", "all missing", "only longer windows", "no number", "no price"],
)
def test_where_nothing_can_be_said_nothing_is(
    cells: tuple[UsageCell, ...], prices: TokenPrices | None
) -> None:
    assert of(*cells, prices=prices) is None
