"""Which rules no request can reach."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenfleet.api.v1alpha1.modelroute import RouteRule
from tokenfleet.domain.routing.reach import unreachable


def rules(*matches: list[dict[str, Any]]) -> list[RouteRule]:
    """Return rules r0, r1 ... with these matches."""
    return [
        RouteRule.model_validate(
            {"name": f"r{number}", "matches": one, "backendRefs": [{"name": "pool"}]}
        )
        for number, one in enumerate(matches)
    ]


def found(*matches: list[dict[str, Any]]) -> list[str]:
    return [problem.message.split()[1] for problem in unreachable(rules(*matches))]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"features": ["a"]}, {"features": ["a"]}),
        ({"features": ["a", "b"]}, {"features": ["b"], "tools": "Present"}),
        ({"requestTypes": ["t"]}, {"requestTypes": ["t"], "features": ["a"]}),
        ({"stream": "Present"}, {"stream": "Present", "tools": "Absent"}),
        ({"requestBytes": {"max": 8000}}, {"requestBytes": {"max": 4000}}),
        ({"requestBytes": {"min": 0}}, {"features": ["a"]}),
        ({"requestBytes": {"min": 10}}, {"requestBytes": {"min": 10, "max": 20}}),
        ({"remainingBudget": {"max": "2s"}}, {"remainingBudget": {"max": "1s"}}),
    ],
)
def test_a_rule_behind_a_wider_one_gets_no_request(
    earlier: dict[str, Any], later: dict[str, Any]
) -> None:
    assert found([earlier], [later], []) == ["r1"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"features": ["a"]}, {"features": ["a", "b"]}),
        ({"features": ["a"]}, {"requestTypes": ["a"]}),
        ({"features": ["a"], "tools": "Present"}, {"features": ["a"]}),
        ({"tools": "Present"}, {"tools": "Absent"}),
        ({"requestBytes": {"max": 4000}}, {"requestBytes": {"max": 8000}}),
        ({"requestBytes": {"max": 4000}}, {"requestBytes": {"min": 100}}),
        ({"requestBytes": {"min": 100}}, {"stream": "Present"}),
        ({"remainingBudget": {"max": "1s"}}, {"remainingBudget": {"max": "2s"}}),
        ({"remainingBudget": {"max": "1s"}}, {"stream": "Present"}),
    ],
)
def test_a_rule_that_asks_for_more_or_for_other_things_is_reached(
    earlier: dict[str, Any], later: dict[str, Any]
) -> None:
    assert found([earlier], [later], []) == []


def test_every_alternative_of_a_rule_must_be_taken() -> None:
    a, b, c = ({"features": [name]} for name in "abc")

    assert found([a], [b], [a, b], [a, c], []) == ["r2"]


MATCH = st.fixed_dictionaries(
    {"features": st.lists(st.sampled_from("ab"), min_size=1, unique=True)},
    optional={
        "tools": st.sampled_from(["Absent", "Present"]),
        "stream": st.sampled_from(["Absent", "Present"]),
        "requestBytes": st.fixed_dictionaries(
            {"min": st.integers(0, 2)}, optional={"max": st.integers(2, 4)}
        ),
    },
)
REQUESTS = [
    (feature, tools, stream, size)
    for feature in "abc"
    for tools in ("Absent", "Present")
    for stream in ("Absent", "Present")
    for size in range(6)
]


def fits(match: dict[str, Any], request: tuple[str, str, str, int]) -> bool:
    feature, tools, stream, size = request
    sizes = match.get("requestBytes", {})
    return (
        feature in match["features"]
        and match.get("tools", tools) == tools
        and match.get("stream", stream) == stream
        and sizes.get("min", 0) <= size <= sizes.get("max", size)
    )


@given(matches=st.lists(st.lists(MATCH, min_size=1, max_size=2), min_size=2, max_size=4))
def test_what_is_called_unreachable_gets_no_request_of_any_kind(
    matches: list[list[dict[str, Any]]],
) -> None:
    taken = {
        next((n for n, one in enumerate(matches) if any(fits(m, request) for m in one)), None)
        for request in REQUESTS
    }

    assert not {f"r{number}" for number in taken} & {*found(*matches)}
