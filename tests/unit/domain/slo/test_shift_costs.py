"""What shifts to providers cost per hour: bounded, given back when it grows, told to people."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import (
    BAD,
    GOOD,
    RULE,
    T0,
    Fleet,
    cell,
    facts,
    loop,
    objective,
    target,
    used,
)
from tokenfleet.domain.routing.rule_slices import Slice, slice_name
from tokenfleet.domain.slo.control.cost_ledger import FILLED, LEAST_GAIN
from tokenfleet.domain.slo.control.memory import State
from tokenfleet.domain.slo.control.memory_json import decode, encode
from tokenfleet.domain.slo.observation.measurement import (
    Failure,
    Pin,
    PoolFacts,
    RuleKey,
    TokenPrices,
    UsageCell,
)

PRICES = TokenPrices(0.001, 0.0001, 0.002, 0.00125)
TOKENS = {"prompt": 10}
"""A request costs 0.01, and 4 of them a second 144 an hour."""
HELPS = cell("cloud", 4, 0.0)
SLO = "team-a/latency"


def fleet(
    limit: float | None = 40.0,
    *,
    fallbacks=("cloud",),
    prices: TokenPrices | None = PRICES,
    external=True,
    **changes,
) -> Fleet:
    """A large pool, a provider that bears anything, and a small pool."""
    pools = {
        **facts(),
        "team-a/cloud": PoolFacts(
            ready=1, desired=1, capacity=1000.0, tokens=prices, external=external
        ),
    }
    slos = (objective(max_cost_per_hour=limit),)
    made = Fleet(
        **{"rules": (target(fallbacks=fallbacks),), "objectives": slos, "pools": pools, **changes}
    )
    made.usage = (used("large", 4, **TOKENS),)
    return made


def cost(seen: Fleet, demand: float, pool="cloud") -> float:
    """Per hour, by the shares."""
    return seen.shares()[pool] / 1000 * demand * 3600 * 0.01


def test_a_shift_goes_as_far_as_the_money() -> None:
    """Nine tenths of 40 pay for a quarter of the requests; without a limit half of them move."""
    bounded, free = fleet(40), fleet(None)
    bounded.see(BAD, demand=4.0)
    free.see(BAD, demand=4.0)

    assert bounded.shares() == {"large": 750, "cloud": 250}
    assert free.shares() == {"large": 500, "cloud": 500}


def test_what_the_money_does_not_pay_for_goes_to_the_next_fallback() -> None:
    seen = fleet(40, fallbacks=("cloud", "small"))
    seen.see(BAD, demand=4.0)

    assert seen.shares() == {"large": 500, "cloud": 250, "small": 250}
    assert decode(encode(seen.memory)) == seen.memory


@pytest.mark.parametrize(
    ("place", "share"),
    [({"external": True}, 0), ({"external": False}, 500)],
    ids=["theirs", "ours"],
)
def test_only_a_provider_costs(place: dict[str, bool], share: int) -> None:
    seen = fleet(0.01, **place)
    seen.see(BAD, demand=4.0)

    assert seen.shares()["cloud"] == share


def test_a_weight_that_the_user_wrote_is_not_limited() -> None:
    """The provider has half of the traffic as written, for 72 an hour."""
    rule = target(backends={"large": 1, "cloud": 1}, fallbacks=("small",))
    seen = fleet(1, rules=(rule,))
    seen.see(BAD, HELPS, demand=4.0)

    assert seen.transitions == ["T1"]
    assert seen.shares() == {"large": 250, "cloud": 500, "small": 250}
    assert seen.outcome.slos[SLO].shift_cost.per_hour == 0


def test_when_demand_grows_the_loop_gives_back_what_the_money_does_not_pay_for() -> None:
    seen = fleet(40)
    seen.see(BAD, demand=4.0)
    seen.see(cell("large", 3, 0.0), HELPS, demand=4.4)
    before = list(seen.transitions)
    seen.see(cell("large", 3, 0.0), HELPS, demand=8.0)

    assert before == ["T1"], "a tenth more is what the tenth that is not filled is for"
    assert seen.transitions == ["T1", "T13"]
    assert cost(seen, 8.0) == pytest.approx(FILLED * 40)
    assert seen.decisions[-1].message == (
        "shifts of TokenSLO latency cost more than 40 an hour: cloud gets less"
        " (large: 75 % -> 87.5 %)"
    )
    assert loop(seen).state is State.SHIFTED
    assert decode(encode(seen.memory)) == seen.memory


def test_what_one_provider_may_not_keep_goes_on_to_the_next_fallback() -> None:
    seen = fleet(40, fallbacks=("cloud", "small"))
    seen.see(BAD, demand=4.0)
    seen.see(cell("large", 3, 0.0), HELPS, cell("small", 2, 0.0), demand=8.0)

    assert seen.transitions == ["T1", "T13"]
    assert seen.shares() == {"large": 500, "cloud": 125, "small": 375}


def test_demand_that_wavers_moves_nothing() -> None:
    """Five per cent up and down around the demand at which the money was shared out."""
    seen = fleet(40)
    seen.see(BAD, demand=4.0)
    for _ in range(40):
        for demand in (3.8, 4.2):
            seen.see(cell("large", 3, 0.6), HELPS, seconds=60, demand=demand)

    assert seen.transitions == ["T1"]


def test_where_demand_falls_money_pays_for_more() -> None:
    seen = fleet(40)
    seen.see(BAD, demand=4.0)
    seen.see(cell("large", 1.5, 0.6), HELPS, seconds=180, demand=2.0)

    assert seen.transitions == ["T1", "T2"]
    assert cost(seen, 2.0) == pytest.approx(FILLED * 40)


def test_a_provider_without_a_price_gets_nothing_and_the_field_is_named() -> None:
    seen = fleet(40, prices=None)
    outcome = seen.see(BAD, demand=4.0)
    told = outcome.slos[SLO].shift_cost

    assert seen.shares() == {"large": 1000, "cloud": 0}
    assert outcome.rules[str(RULE)].saturated
    for said in (told.message, outcome.rules[str(RULE)].message):
        assert "External pool cloud has no token prices: set spec.price.perMillionTokens" in said
    assert told.room == "TokenPricesMissing"


def test_a_price_that_is_taken_away_takes_the_shift_back() -> None:
    seen = fleet(40)
    seen.see(BAD, demand=4.0)
    seen.pools = fleet(40, prices=None).pools
    seen.see(BAD, HELPS, demand=4.0)

    assert seen.transitions == ["T1", "T13"]
    assert seen.shares() == {"large": 1000, "cloud": 0}
    assert "set spec.price.perMillionTokens" in seen.decisions[-1].message
    assert loop(seen).state is State.NORMAL


def test_what_nobody_can_tell_the_cost_of_stays_as_it_is() -> None:
    seen = fleet(40)
    seen.usage = ()
    blind = seen.see(BAD, demand=4.0)
    unmoved = seen.shares()
    seen.usage = (used("large", 4, **TOKENS),)
    seen.see(BAD, seconds=15, demand=4.0)
    seen.usage = ()
    seen.see(BAD, HELPS, seconds=300, demand=40.0)

    assert unmoved == {"large": 1000, "cloud": 0}
    assert blind.slos[SLO].shift_cost.room == "NotMeasured"
    assert seen.transitions == ["T1"]
    assert seen.shares() == {"large": 750, "cloud": 250}


def test_while_nothing_is_known_money_moves_nothing() -> None:
    seen = fleet(40)
    seen.see(BAD, demand=4.0)
    seen.see(seconds=300, failure=Failure("SourceError", "dark"), rules={})

    assert seen.transitions == ["T1"]


def test_backends_of_one_rule_share_the_money() -> None:
    rule = target(backends={"large": 1, "twin": 1}, fallbacks=("cloud",))
    seen = fleet(40, rules=(rule,))
    seen.pools["team-a/twin"] = seen.pools["team-a/large"]
    seen.see(cell("large", 2, 0.6), cell("twin", 2, 0.6), demand=4.0)

    assert cost(seen, 4.0) == pytest.approx(FILLED * 40, abs=0.2)


def test_each_objective_has_money_of_its_own() -> None:
    """Two rules that shift into one provider, by two objectives."""
    other = RuleKey("team-a", "chat", "fast")
    rules = (target(fallbacks=("cloud",)), target(key=other, fallbacks=("cloud",)))
    slos = (
        objective(max_cost_per_hour=40.0),
        objective("quick", rule="fast", max_cost_per_hour=80.0),
    )
    seen = fleet(rules=rules, objectives=slos)
    seen.now += seen.tick
    measured = seen.measured(BAD, demand=4.0)
    outcome = seen.step(
        replace(measured, rules={RULE: measured.rules[RULE], other: measured.rules[RULE]})
    )

    assert seen.shares() == {"large": 750, "cloud": 250}
    assert seen.shares(other) == {"large": 500, "cloud": 500}
    assert outcome.slos["team-a/quick"].shift_cost.per_hour == pytest.approx(72)


def test_slices_and_their_rule_share_what_their_objective_may_spend() -> None:
    """One that is about the whole rule is heard in each of its parts, and answers for all."""
    chat = Slice(request_types=frozenset({"chat"}))
    part = target(
        key=RULE._replace(rule=slice_name(RULE.rule, chat)), scope=chat, fallbacks=("cloud",)
    )
    seen = fleet(40, rules=(part, target(fallbacks=("cloud",))))
    seen.now += seen.tick
    kinds = ("chat", "other")
    seen.usage = tuple(replace(used("large", 4, **TOKENS), request_type=kind) for kind in kinds)
    cells = (cell("large", 4, 0.6, request_type=kind) for kind in kinds)
    measured = seen.measured(*cells, demand=8.0)
    flows = {("", kind): 4.0 for kind in kinds}
    rules = {RULE: replace(measured.rules[RULE], flows=flows)}
    outcome = seen.step(replace(measured, rules=rules))

    assert seen.shares() == {"large": 750, "cloud": 250}
    assert seen.shares(part.key) == {"large": 1000, "cloud": 0}
    assert outcome.slos[SLO].shift_cost.per_hour == pytest.approx(FILLED * 40)


def test_a_primary_without_endpoints_is_left_as_far_as_the_money_goes() -> None:
    seen = fleet(40)
    seen.pools["team-a/large"] = replace(seen.pools["team-a/large"], ready=0)
    seen.see(HELPS, seconds=300, demand=4.0)

    assert seen.transitions == ["T1h"]
    assert seen.shares() == {"large": 750, "cloud": 250}


def test_a_primary_without_endpoints_is_left_for_a_full_fallback_that_costs_nothing() -> None:
    seen = fleet(40, fallbacks=("cloud", "small"))
    seen.pools["team-a/large"] = replace(seen.pools["team-a/large"], ready=0)
    seen.pools["team-a/small"] = replace(seen.pools["team-a/small"], capacity=0.1)
    seen.see(HELPS, seconds=60, demand=4.0)

    assert seen.transitions == ["T1h"]
    assert seen.shares() == {"large": 0, "cloud": 250, "small": 750}


def test_a_lost_fallback_is_not_replaced_for_more_money_than_there_is() -> None:
    seen = fleet(40, fallbacks=("small", "cloud"))
    seen.see(BAD, demand=4.0)
    both = dict(seen.pools)
    seen.pools = {**both, "team-a/small": replace(both["team-a/small"], ready=0)}
    seen.see(BAD, HELPS, demand=4.0)
    one = seen.shares()
    seen.pools["team-a/large"] = replace(both["team-a/large"], ready=0)
    seen.see(BAD, HELPS, seconds=120, demand=4.0)

    assert seen.transitions[:2] == ["T1", "T11"]
    assert one == {"large": 750, "small": 0, "cloud": 250}
    assert seen.shares() == one


def test_a_frozen_loop_gives_back_too() -> None:
    seen = fleet(40)
    seen.see(BAD, demand=4.0)
    held = replace(loop(seen), state=State.FROZEN, freeze_until=T0 + timedelta(hours=2))
    seen.memory[str(RULE)] = replace(seen.memory[str(RULE)], loops={"large": held})
    seen.see(GOOD, HELPS, demand=8.0)

    assert seen.transitions == ["T1", "T13"]
    assert loop(seen).state is State.FROZEN


def test_a_pin_is_the_users_own() -> None:
    seen = fleet(1)
    pin = Pin(weights={"large": 1, "cloud": 1}, until=T0 + timedelta(minutes=10))
    seen.rules = (replace(seen.rules[0], pin=pin),)
    seen.see(GOOD, HELPS, seconds=300, demand=4.0)
    pinned = seen.shares()
    seen.see(GOOD, HELPS, seconds=600, demand=4.0)

    assert pinned == {"large": 500, "cloud": 500}
    assert seen.transitions[:2] == ["P0", "T13"]
    assert cost(seen, 4.0) <= 1


def test_a_shadow_shows_what_an_objective_without_a_limit_would_do() -> None:
    alerting = objective("watching", shifts=False)
    seen = fleet(objectives=(objective(max_cost_per_hour=40.0), alerting))
    outcome = seen.see(BAD, demand=4.0)

    assert seen.shares()["cloud"] == 250
    assert outcome.slos["team-a/watching"].shadow.shares["cloud"] == 500


def test_people_read_what_is_spent_and_whether_more_may_be() -> None:
    seen = fleet(40)
    free = seen.see(GOOD, demand=4.0).slos[SLO].shift_cost
    full = seen.see(BAD, seconds=15, demand=4.0).slos[SLO].shift_cost
    none = fleet(None).see(BAD, demand=4.0).slos[SLO].shift_cost

    assert (free.per_hour, free.limit, free.room) == (0, 40, "WithinLimit")
    assert full.per_hour == pytest.approx(36)
    assert full.room == "LimitReached"
    assert "maxCostPerHour 40" in full.message
    assert none is None


def test_a_limit_that_is_never_reached_changes_nothing() -> None:
    bounded, free = fleet(1e9), fleet(None)
    for one in (bounded, free):
        one.see(BAD, demand=4.0)
        one.see(BAD, HELPS, seconds=600, demand=6.0)
        one.see(GOOD, HELPS, seconds=3600, demand=2.0)

    assert [t.id for t in bounded.decisions] == [t.id for t in free.decisions] != []
    assert bounded.memory == free.memory


def test_the_margins_are_in_their_order() -> None:
    assert 0 < LEAST_GAIN < FILLED < 1


def test_a_series_that_is_no_number_is_not_believed() -> None:
    seen = fleet(40)
    seen.usage = (UsageCell(pool="large", windows={}, broken=True),)
    seen.see(BAD, demand=4.0)

    assert seen.shares()["cloud"] == 0
