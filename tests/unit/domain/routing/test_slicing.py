"""Who acts on which requests of a rule, and who is told that it cannot."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.domain.fleet.builders import slo
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.routing.ir import Match, Rule
from tokenfleet.domain.routing.rule_slices import MOST, Slice, slice_of_name
from tokenfleet.domain.routing.slicing import Slicing, slicing


def types(*names: str) -> Slice:
    return Slice(request_types=frozenset(names))


def acting(name: str, *, age: int = 0, **selector: Any) -> TokenSLO:
    """An objective about the rule `slow` of the route `chat`, `age` years old."""
    body = slo(name, selector=selector)
    created = datetime(2026 - age, 1, 1, tzinfo=UTC).isoformat()
    body["metadata"] = {**body["metadata"], "creationTimestamp": created}
    return TokenSLO.model_validate(body)


def cut(
    *slos: TokenSLO, running: tuple[Slice, ...] = (), matches: tuple[Match, ...] = ()
) -> Slicing:
    rule = Rule(name="slow", matches=matches, ranges=(), chain=(), first_token=None, response=None)
    return slicing("chat", rule, slos, running)


def refusals(found: Slicing) -> dict[str, str]:
    return {name: why.reason for name, why in found.refused.items()}


def test_objectives_with_the_same_selector_share_a_slice() -> None:
    found = cut(acting("ttft", requestTypes=["chat"]), acting("errors", requestTypes=["chat"]))

    assert found == Slicing(slices=(types("chat"),))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"onBreach": {"type": "Alert"}}, id="one that only alerts"),
        pytest.param({"selector": {}}, id="one about the whole rule"),
        pytest.param({"targetRef": {"name": "chat", "sectionName": "fast"}}, id="another rule"),
        pytest.param({"targetRef": {"name": "mail", "sectionName": "slow"}}, id="another route"),
    ],
)
def test_only_objectives_that_act_on_some_requests_of_a_rule_cut_it(changes: Any) -> None:
    body = slo("ttft", **{"selector": {"requestTypes": ["chat"]}, **changes})

    assert cut(TokenSLO.model_validate(body)) == Slicing()


def test_where_a_rule_takes_nothing_else_the_objective_acts_on_all_of_it() -> None:
    chats = (Match(request_types=("chat",)),)

    assert cut(acting("ttft", requestTypes=["chat", "more"]), matches=chats) == Slicing()


def test_a_selector_of_nothing_that_the_rule_takes_is_refused() -> None:
    found = cut(acting("ttft", requestTypes=["mail"]), matches=(Match(request_types=("chat",)),))

    assert refusals(found) == {"ttft": "SelectorMatchesNothing"}
    assert found.slices == ()


def test_of_two_that_overlap_the_older_one_acts() -> None:
    young = acting("a", requestTypes=["chat", "mail"])
    old = acting("b", age=1, requestTypes=["chat"])

    found = cut(young, old)

    assert (found.slices, refusals(found)) == ((types("chat"),), {"a": "SelectorOverlaps"})
    assert "overlaps that of TokenSLO b (type=chat)" in found.refused["a"].message


def test_who_acts_already_goes_on_acting_however_old_others_are() -> None:
    young = acting("a", requestTypes=["chat", "mail"])
    old = acting("b", age=1, requestTypes=["chat"])

    found = cut(young, old, running=(types("chat", "mail"),))

    assert (found.slices, refusals(found)) == ((types("chat", "mail"),), {"b": "SelectorOverlaps"})


def test_a_slice_that_nobody_asks_for_stays_while_it_is_running() -> None:
    assert cut(running=(types("chat"),)).slices == (types("chat"),)


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        pytest.param(["chat", "mail"], ["type=chat", "type=chat+mail"], id="widened"),
        pytest.param(["chat"], ["type=chat"], id="the same"),
    ],
)
def test_a_slice_on_its_way_back_stands_beside_a_nested_one(wanted, order) -> None:
    found = cut(acting("ttft", requestTypes=wanted), running=(types("chat"),))

    assert [str(part) for part in found.slices] == order


def test_one_that_cuts_across_a_slice_on_its_way_back_waits() -> None:
    across = slice_of_name("slow[type=chat+mail]")

    found = cut(acting("ttft", requestTypes=["mail", "batch"]), running=(across,))

    assert (found.slices, refusals(found)) == ((across,), {"ttft": "SelectorOverlaps"})
    assert "still on its way back" in found.refused["ttft"].message


def test_a_rule_has_a_bounded_number_of_slices() -> None:
    found = cut(*(acting(f"slo-{n}", requestTypes=[f"type-{n}"]) for n in range(MOST + 1)))

    assert len(found.slices) == MOST
    assert refusals(found) == {f"slo-{MOST}": "TooManySlices"}
