"""Slices of rules: names that say what they hold, and conditions that take exactly that."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from tokenfleet.domain.routing.ir import Match
from tokenfleet.domain.routing.rule_slices import (
    WHOLE,
    Slice,
    bounds,
    in_order,
    narrowed,
    rule_of_name,
    slice_name,
    slice_of_name,
    smallest,
)

FEATURES, TYPES = ("a", "b", "other"), ("chat", "analysis", "other")
REQUESTS = tuple(product(FEATURES, TYPES))

features = st.frozensets(st.sampled_from(FEATURES[:2]))
types = st.frozensets(st.sampled_from(TYPES[:2]))
slices = st.builds(Slice, features=features, request_types=types)
matches = st.builds(
    lambda f, t, tools: Match(features=tuple(f), request_types=tuple(t), tools=tools),
    features,
    types,
    st.none() | st.booleans(),
)
labels = st.text("abcXYZ019-_.", min_size=1, max_size=8)


def held(part: Slice) -> set[tuple[str, str]]:
    return {request for request in REQUESTS if part.holds(*request)}


def taken(alternatives: tuple[Match, ...]) -> set[tuple[str, str, bool]]:
    """Requests, with tools and without, that conditions take; none of them: all."""
    return {
        (feature, kind, tools)
        for feature, kind in REQUESTS
        for tools in (True, False)
        for match in alternatives or (Match(),)
        if (not match.features or feature in match.features)
        and (not match.request_types or kind in match.request_types)
        and match.tools in {None, tools}
    }


def test_a_name_says_what_a_slice_holds() -> None:
    part = Slice(features=frozenset({"b", "a"}), request_types=frozenset({"chat"}))

    assert slice_name("answers", part) == "answers[feature=a+b,type=chat]"
    assert slice_name("answers", WHOLE) == "answers"


@given(st.builds(Slice, features=st.frozensets(labels), request_types=st.frozensets(labels)))
def test_a_name_is_read_back(part: Slice) -> None:
    name = slice_name("answers", part)

    assert (rule_of_name(name), slice_of_name(name)) == ("answers", part)


@given(slices, slices)
def test_slices_are_sets_of_requests(one: Slice, other: Slice) -> None:
    assert one.overlaps(other) == bool(held(one) & held(other))
    if one.covers(other):
        assert held(one) >= held(other)
    if one.covers(other) and one != other:
        assert in_order((one, other)) == (other, one), "a part comes before what holds it"


@given(st.lists(matches, max_size=3).map(tuple), slices)
def test_a_slice_of_a_rule_takes_what_is_in_both(rule: tuple[Match, ...], part: Slice) -> None:
    conditions = narrowed(rule, part)
    both = {one for one in taken(rule) if part.holds(one[0], one[1])}

    assert (taken(conditions) if conditions else set()) == both


@given(st.lists(matches, max_size=3).map(tuple))
def test_bounds_hold_every_request_of_a_rule(rule: tuple[Match, ...]) -> None:
    assert {one[:2] for one in taken(rule)} <= held(bounds(rule))


@given(st.lists(slices, max_size=4), slices)
def test_the_smallest_slice_around_a_part_holds_it(others: list[Slice], part: Slice) -> None:
    around = smallest(others, part)

    assert around.covers(part)
    assert not any(held(one) < held(around) for one in others if one.covers(part))
