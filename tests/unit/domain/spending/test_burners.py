"""Users that spend an objective's money: of its rule and features, the dearest first."""

from tests.unit.domain.slo.builders import level
from tokenfleet.domain.slo.observation.measurement import Usage
from tokenfleet.domain.spending.burners import MOST, UserBurner, user_burners
from tokenfleet.domain.spending.prices import Place
from tokenfleet.domain.spending.summary import Spending, Summary

SLOW = Place("chat", "slow", "large", "search", "other")


def spent(**costs: float) -> Summary:
    return Summary({name: Spending(Usage(requests=1), cost) for name, cost in costs.items()})


def test_hours_add_up_and_the_dearest_come_first() -> None:
    hours = [("chat", {SLOW: spent(ada=1, bob=2)}), ("chat", {SLOW: spent(ada=5)})]

    assert user_burners(level(), hours) == (UserBurner("ada", 0.75), UserBurner("bob", 0.25))


def test_only_a_few_are_named_and_parts_are_of_everybody() -> None:
    many = {f"user-{n}": 1.0 for n in range(20)}

    found = user_burners(level(), [("chat", {SLOW: spent(**many)})])

    assert len(found) == MOST
    assert {one.part for one in found} == {0.05}


def test_other_rules_features_and_routes_are_left_out() -> None:
    slo = level(features=frozenset({"search"}))
    places = {
        SLOW: spent(ada=1),
        SLOW._replace(rule="fast"): spent(bob=1),
        SLOW._replace(feature="other"): spent(cleo=1),
        SLOW._replace(route="code"): spent(dan=1),
    }

    assert user_burners(slo, [("chat", places)]) == (UserBurner("ada", 1.0),)


def test_a_route_of_another_namespace_has_its_full_name_on_the_router() -> None:
    abroad = SLOW._replace(route="team-a/chat")

    assert user_burners(level(), [("team-a/chat", {abroad: spent(ada=1)})])


def test_without_prices_nobody_burns_money() -> None:
    assert user_burners(level(), [("chat", {SLOW: spent(ada=0)})]) == ()
