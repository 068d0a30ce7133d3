"""Objectives about nothing: what their selector asks for goes to other rules."""

import pytest

from tests.unit.domain.fleet.builders import conditions, message, route, slo
from tests.unit.domain.fleet.test_slo_status import look
from tokenfleet.domain.fleet.slo_status import plan_slo


def spoken_of(selector: dict, section: str = "slow", **spec) -> tuple[tuple[str, str], str]:
    """Return the condition ResolvedRefs of an objective with a selector, and its message."""
    fast = {"features": ["suggestions"], "requestBytes": {"max": 8000}}
    rules = [
        {"name": "fast", "matches": [fast], "backendRefs": [{"name": "small"}]},
        {
            "name": "edits",
            "matches": [{"requestTypes": ["edit"]}],
            "backendRefs": [{"name": "small"}],
        },
        {"name": "slow", "backendRefs": [{"name": "large"}]},
    ]
    target = route(features=["generation"], requestTypes=["chat"], rules=rules)
    body = slo(
        selector=selector,
        targetRef={"name": "chat", "sectionName": section},
        onBreach={"type": "Alert"},
        **spec,
    )
    status = plan_slo(look(body=body, target=target)).status
    return conditions(status)["ResolvedRefs"], message(status, "ResolvedRefs")


@pytest.mark.parametrize(
    ("selector", "section", "because"),
    [
        ({"features": ["generation"]}, "fast", "its matches ask for others"),
        ({"features": ["other"]}, "fast", "its matches ask for others"),
        ({"requestTypes": ["edit"]}, "slow", "edits stands before it and takes them all"),
    ],
)
def test_a_selector_of_requests_that_go_elsewhere_is_said(
    selector: dict, section: str, because: str
) -> None:
    """It would never have an attempt to judge, and look like an objective without traffic."""
    told, said = spoken_of(selector, section)

    assert told == ("False", "SelectorMatchesNothing")
    assert f"gets to rule {section} of ModelRoute chat: {because}; correct selector" in said


@pytest.mark.parametrize(
    ("selector", "section"),
    [
        ({"features": ["suggestions"]}, "slow"),  # those above 8,000 bytes
        ({"features": ["suggestions"]}, "edits"),
        ({"requestTypes": ["edit", "chat"]}, "slow"),
        ({}, "fast"),
    ],
)
def test_a_selector_of_some_requests_is_well(selector: dict, section: str) -> None:
    assert spoken_of(selector, section)[0] == ("True", "ResolvedRefs")
