"""Edits in the middle of a shift: traffic never jumps, one test for each row of the table.

The table is in the control-loop page.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.domain.fleet.builders import route
from tests.unit.domain.fleet.edited_fleet import SHIFTED, Fleet, objective, rule


def test_nothing_is_edited_and_nothing_is_told() -> None:
    fleet = Fleet()
    fleet.visit()

    assert fleet.shares() == {"large": 400, "small": 600}
    assert fleet.reasons() == []
    assert "departed" not in fleet.data


@pytest.mark.edit("rule renamed")
def test_a_renamed_rule_goes_on_from_its_shift() -> None:
    fleet = Fleet()
    before = fleet.held().document

    assert fleet.edit(rule("slower", large=1)) == {"large": 400, "small": 600}
    assert fleet.reasons() == ["ShiftInherited"]
    assert "rule slower: the rule goes on from the shift of rule slow" in fleet.notes[0].note
    after = fleet.held().document
    assert before is not None
    assert after is not None
    ranges = [doc.config.routes[0].rules[0].ranges for doc in (before, after)]
    assert ranges[0] == ranges[1], "conversations keep their pools"
    fleet.slos = [objective(targetRef={"name": "chat", "sectionName": "slower"})]
    fleet.ramps("slower", {"large": 1000, "small": 0})


def test_a_rule_that_is_renamed_and_edited_at_once_keeps_its_traffic() -> None:
    fleet = Fleet(rule(large=1, medium=1), loops={"large": SHIFTED})
    assert fleet.shares() == {"large": 200, "medium": 500, "small": 300}

    shares = fleet.edit(rule("slower", large=3, medium=1))

    assert shares == {"large": 200, "medium": 250, "small": 550}
    assert fleet.reasons() == ["ShiftInherited", "ShiftKept"]


@pytest.mark.edit(
    "route deleted and applied again within an hour, also under another name with the same `modelNames`"
)
@pytest.mark.parametrize("minutes", [1, 59])
def test_a_route_that_is_applied_again_within_the_hour_goes_on_from_its_shift(
    minutes: float,
) -> None:
    fleet = Fleet()
    was, fleet.routes = fleet.routes, []
    fleet.visit()
    assert fleet.reasons() == ["ShiftRemembered"]
    assert fleet.notes[0].about is None, "the route is gone: its router is told"
    assert "large 40 %, small 60 %" in fleet.notes[0].note

    fleet.now += timedelta(minutes=minutes)
    fleet.routes = was
    fleet.visit()

    assert fleet.shares() == {"large": 400, "small": 600}
    assert fleet.reasons() == ["ShiftRemembered", "ShiftInherited"]
    assert "departed" not in fleet.data


@pytest.mark.edit(
    "route deleted and applied again within an hour, also under another name with the same `modelNames`"
)
def test_a_route_that_is_renamed_goes_on_from_the_shift_of_the_one_with_its_models() -> None:
    fleet = Fleet()
    fleet.routes = [route("chat-v2", rules=[rule("main", large=1)], modelNames=["chat"])]
    fleet.visit()

    assert fleet.shares("main", "chat-v2") == {"large": 400, "small": 600}
    assert fleet.reasons() == ["ShiftInherited"]


def test_a_route_for_other_models_inherits_nothing() -> None:
    fleet = Fleet()
    fleet.routes = [route("other", rules=[rule("main", large=1)], modelNames=["other"])]
    fleet.visit()

    assert fleet.shares("main", "other") == {"large": 1000, "small": 0}


@pytest.mark.edit("route moved to another router (`parentRefs`), or given a second one")
def test_a_route_that_moves_to_another_router_takes_its_shift_along() -> None:
    first, second = Fleet(), Fleet(loops={})
    second.routes = []
    second.visit()

    second.elsewhere = (first.data,)
    second.routes = first.routes
    second.visit()

    assert second.shares() == {"large": 400, "small": 600}
    assert second.reasons() == ["ShiftInherited"]
    assert "the rule goes on from where it was" in second.notes[0].note


def test_the_youngest_memory_of_a_route_that_moves_to_and_fro_counts() -> None:
    first, second = Fleet(), Fleet(loops={"large": replace(SHIFTED, w=0.9)})
    was, second.routes = second.routes, []
    second.visit()
    assert "departed" in second.data
    second.now += timedelta(minutes=10)

    second.elsewhere, second.routes = (first.data,), was
    second.visit()

    assert second.shares() == {"large": 400, "small": 600}


@pytest.mark.edit("rule split off another one of the route")
def test_a_rule_that_is_split_off_starts_where_its_sibling_is() -> None:
    fleet = Fleet()

    matched = {**rule("batch", large=1), "matches": [{"features": ["batch"]}]}
    assert fleet.edit(matched, rule(large=1)) == {"large": 400, "small": 600}
    assert fleet.shares("slow") == {"large": 400, "small": 600}
    assert fleet.reasons() == ["ShiftInherited"]
    assert "goes on from the shift of another rule" in fleet.notes[0].note
    fleet.ramps("batch", {"large": 1000, "small": 0})


@pytest.mark.edit("pool renamed (another pool in its place)")
def test_a_pool_that_is_renamed_gets_what_it_had_and_no_more() -> None:
    fleet = Fleet()

    assert fleet.edit(rule(large_v2=1)) == {"large-v2": 400, "small": 600}
    assert fleet.reasons() == ["ShiftKept"]
    fleet.ramps("slow", {"large-v2": 1000, "small": 0})


@pytest.mark.edit("pool renamed (another pool in its place)")
def test_a_pool_that_is_renamed_and_not_ready_gets_nothing_yet() -> None:
    fleet = Fleet()
    fleet.gone = {"large-v2"}

    assert fleet.edit(rule(large_v2=1)) == {"large-v2": 0, "small": 1000}
    fleet.gone = set()
    fleet.ramps("slow", {"large-v2": 1000, "small": 0})


@pytest.mark.edit("weights edited: more for a shifted pool")
def test_more_weight_for_a_shifted_pool_is_stepped_to() -> None:
    fleet = weighted()

    assert fleet.edit(rule(large=4, medium=1)) == {"large": 200, "medium": 200, "small": 600}
    assert fleet.reasons() == ["ShiftKept"]
    fleet.ramps("slow", {"large": 800, "medium": 200, "small": 0})


@pytest.mark.edit("weights edited: less for a shifted pool")
def test_less_weight_for_a_shifted_pool_goes_to_the_one_that_is_well() -> None:
    fleet = weighted()

    assert fleet.edit(rule(large=1, medium=4)) == {"large": 80, "medium": 620, "small": 300}
    assert fleet.reasons() == ["ShiftKept"]
    fleet.ramps("slow", {"large": 200, "medium": 800, "small": 0})


@pytest.mark.edit("weights edited in the same proportions")
def test_weights_of_the_same_proportions_move_nothing() -> None:
    fleet = weighted()

    assert fleet.edit(rule(large=10, medium=10)) == {"large": 200, "medium": 500, "small": 300}
    assert fleet.reasons() == []


def weighted() -> Fleet:
    """Return a rule of two equal pools, one of them shifted."""
    fleet = Fleet(rule(large=1, medium=1), loops={"large": SHIFTED})
    assert fleet.shares() == {"large": 200, "medium": 500, "small": 300}
    return fleet


def test_steps_to_a_share_that_is_no_whole_number_of_buckets_are_no_edits() -> None:
    fleet = Fleet(rule(large=1, medium=2), loops={"large": SHIFTED})

    fleet.ramps("slow", {"large": 333, "medium": 667, "small": 0})

    assert set(fleet.reasons()) == {"TrafficReturning", "TrafficReturned"}


@pytest.mark.edit("backend added")
def test_a_backend_that_is_added_gets_what_the_others_give_up_and_steps_up_from_there() -> None:
    fleet = Fleet()

    shares = fleet.edit(rule(large=1, medium=1))

    assert shares == {"large": 200, "medium": 200, "small": 600}
    assert fleet.reasons() == ["ShiftKept"]
    fleet.ramps("slow", {"large": 500, "medium": 500, "small": 0})


@pytest.mark.edit("backend added")
def test_a_backend_that_is_added_begins_with_a_tenth_at_least() -> None:
    lost = replace(SHIFTED, w=0.0)
    fleet = Fleet(loops={"large": lost})
    fleet.gone = {"large"}

    assert fleet.edit(rule(large=1, medium=1)) == {"large": 0, "medium": 50, "small": 950}
    fleet.gone = set()
    fleet.ramps("slow", {"large": 500, "medium": 500, "small": 0})


@pytest.mark.edit("backend removed")
def test_what_a_removed_backend_had_goes_to_those_that_are_well() -> None:
    fleet = Fleet(rule(large=1, medium=1, other=2), loops={"large": SHIFTED})
    assert fleet.shares() == {"large": 100, "medium": 250, "other": 500, "small": 150}

    assert fleet.edit(rule(large=1, other=2)) == {"large": 100, "other": 667, "small": 233}
    assert fleet.reasons() == ["ShiftKept"]
    fleet.ramps("slow", {"large": 333, "other": 667, "small": 0})


@pytest.mark.edit("a shifted backend removed and back within an hour")
def test_a_failing_backend_that_is_removed_and_comes_back_is_tried_with_a_tenth() -> None:
    fleet = Fleet(rule(large=1, medium=1), loops={"large": SHIFTED})
    assert fleet.edit(rule(medium=1)) == {"medium": 700, "small": 300}
    fleet.now += timedelta(minutes=30)

    shares = fleet.edit(rule(large=1, medium=1))

    assert shares["large"] == 50
    assert fleet.reasons()[:2] == ["ShiftKept", "ShiftKept"]
    assert shares["medium"] <= 700
    fleet.ramps("slow", {"large": 500, "medium": 500, "small": 0})


@pytest.mark.edit("fallback replaced")
def test_a_fallback_that_is_replaced_hands_over_what_it_had() -> None:
    fleet = Fleet(rule(large=1, fallbacks=("small", "tiny")))

    assert fleet.edit(rule(large=1, fallbacks=("tiny",))) == {"large": 400, "tiny": 600}
    assert fleet.reasons() == ["FallbackLost"]


def test_the_next_fallback_holds_what_is_not_given_back_where_the_first_is_gone() -> None:
    fleet = Fleet(rule(large=1, fallbacks=("small", "tiny")))
    fleet.gone = {"small"}

    shares = fleet.edit(rule(large=1, medium=1, fallbacks=("small", "tiny")))

    assert shares == {"large": 200, "medium": 200, "small": 0, "tiny": 600}
    fleet.ramps("slow", {"large": 500, "medium": 500, "small": 0, "tiny": 0})


@pytest.mark.edit("the last fallback removed")
def test_without_any_fallback_left_there_is_nowhere_else_to_go() -> None:
    fleet = Fleet()

    assert fleet.edit(rule(large=1, fallbacks=())) == {"large": 1000}
    assert fleet.reasons() == ["FallbackLost"]


@pytest.mark.edit("order of rules or of backends")
def test_the_order_of_rules_and_of_backends_does_not_matter() -> None:
    first = {**rule("first", large=1), "matches": [{"features": ["x"]}]}
    fleet = Fleet(first, rule(large=1, medium=1), loops={"large": SHIFTED})
    shares = fleet.shares()

    fleet.edit(rule(medium=1, large=1), {**first, "matches": []})

    assert fleet.shares() == shares
    assert fleet.reasons() == []


@pytest.mark.edit("`trafficControl: Disabled`, the operator-wide switch")
@pytest.mark.parametrize("everywhere", [False, True])
def test_a_rule_that_is_not_to_be_shifted_any_more_steps_back(*, everywhere: bool) -> None:
    fleet = Fleet()
    fleet.shifting = not everywhere
    control = {} if everywhere else {"trafficControl": {"type": "Disabled"}}

    assert fleet.edit(rule(large=1), **control) == {"large": 400, "small": 600}
    assert fleet.reasons() == []
    fleet.ramps("slow", {"large": 1000, "small": 0})
    assert set(fleet.reasons()) == {"TrafficReturning", "TrafficReturned"}


def nine_to_one(fleet: Fleet) -> dict[str, Any]:
    """Return a pin of an hour: nine of ten to the primary."""
    until = (fleet.now + timedelta(hours=1)).isoformat()
    pools = [{"name": "large", "weight": 9}, {"name": "small", "weight": 1}]
    pinned = {"until": until, "rules": [{"name": "slow", "pools": pools}]}
    return {"type": "Pinned", "pinned": pinned}


@pytest.mark.edit("`trafficControl: Pinned`")
def test_a_pin_acts_at_once() -> None:
    fleet = Fleet()

    shares = fleet.edit(rule(large=1), trafficControl=nine_to_one(fleet))

    assert shares == {"large": 900, "small": 100}
    assert fleet.reasons() == ["TrafficPinned"]


@pytest.mark.edit("`trafficControl: Pinned`")
def test_an_edit_under_a_pin_is_no_shift() -> None:
    fleet = weighted()

    shares = fleet.edit(rule(large=4, medium=1), trafficControl=nine_to_one(fleet))

    assert shares == {"large": 900, "medium": 0, "small": 100}
    assert set(fleet.reasons()) == {"TrafficPinned"}


@pytest.mark.edit("`trafficControl: Pinned`")
def test_when_a_pin_ends_traffic_steps_back() -> None:
    fleet = Fleet()
    until = (fleet.now + timedelta(minutes=5)).isoformat()
    pools = [{"name": "large", "weight": 2}, {"name": "small", "weight": 8}]
    pinned = {"until": until, "rules": [{"name": "slow", "pools": pools}]}
    assert fleet.edit(rule(large=1), trafficControl={"type": "Pinned", "pinned": pinned}) == {
        "large": 200,
        "small": 800,
    }

    fleet.ramps("slow", {"large": 1000, "small": 0})


def test_without_a_shift_an_edit_acts_at_once() -> None:
    fleet = Fleet(loops={})

    assert fleet.edit(rule(large=1, medium=3)) == {"large": 250, "medium": 750, "small": 0}
    assert fleet.edit(rule("other", large=1)) == {"large": 1000, "small": 0}
    assert fleet.reasons() == []
