"""What answers cost: by their tokens, or by their part of the replicas' hours."""

import pytest

from tokenfleet.domain.slo.observation.measurement import PoolFacts, TokenPrices, Usage
from tokenfleet.domain.spending.prices import Place, priced
from tokenfleet.domain.spending.summary import Spending, Summary

TOKENS = PoolFacts(ready=1, desired=1, tokens=TokenPrices(0.001, 0.0001, 0.002, 0.00125))
HOURLY = PoolFacts(ready=2, desired=2, hourly=3.0)


def place(pool: str) -> Place:
    return Place("chat", "main", pool, "search", "other")


def test_tokens_cost_what_the_pool_asks_for_each_kind() -> None:
    usage = Usage(requests=1, prompt=1000, cached=400, completion=100, written=200)
    found = priced({place("a"): Summary({"ada": Spending(usage, unseen=10)})}, {"a": TOKENS}, 1)

    ada = found[place("a")].names["ada"]
    assert ada.cost == pytest.approx(400 * 0.001 + 400 * 0.0001 + 200 * 0.00125 + 0.2)
    assert ada.unseen_cost == pytest.approx(10 * 0.002), "the dearest kind of token"


def test_the_hours_of_replicas_are_paid_by_answers() -> None:
    used = {"ada": Spending(Usage(requests=3)), "bob": Spending(Usage(requests=1))}
    found = priced({place("b"): Summary(used)}, {"b": HOURLY}, 0.5)

    costs = {name: spent.cost for name, spent in found[place("b")].names.items()}
    assert costs == {"ada": pytest.approx(2.25), "bob": pytest.approx(0.75)}


@pytest.mark.parametrize("facts", [{}, {"c": PoolFacts(ready=1, desired=1)}])
def test_a_pool_without_a_price_costs_nothing_that_is_known(facts: dict[str, PoolFacts]) -> None:
    found = priced({place("c"): Summary({"ada": Spending(Usage(requests=3))})}, facts, 1)

    assert found[place("c")].names["ada"].cost == 0
