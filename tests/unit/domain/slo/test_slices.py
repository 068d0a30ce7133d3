"""A slice is steered like a rule, by its own attempts; its rule is the rest."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.slo.builders import RULE, T0, cell, objective, target
from tokenfleet.domain.routing.rule_slices import Slice, slice_name
from tokenfleet.domain.slo.objectives.by_rule import Objectives
from tokenfleet.domain.slo.observation.measurement import (
    Cell,
    Measurement,
    RuleKey,
    RuleMeasurement,
    RuleTarget,
)
from tokenfleet.domain.slo.observation.slices import shared_out

TYPES = ("chat", "analysis", "other")


def part(*types: str, features: tuple[str, ...] = ()) -> RuleTarget:
    held = Slice(features=frozenset(features), request_types=frozenset(types))
    return target(key=RULE._replace(rule=slice_name(RULE.rule, held)), scope=held)


CHAT, REST = part("chat"), target()


def measured(cells: tuple[Cell, ...], flows: dict[tuple[str, str], float]) -> Measurement:
    demand = sum(flows.values()) if flows else 9.0
    rule = RuleMeasurement(cells=cells, demand=demand, flows=flows)
    return Measurement(at=T0, rules={RULE: rule})


labelled = st.tuples(st.sampled_from(("a", "b", "other")), st.sampled_from(TYPES))
parts = st.lists(
    st.builds(
        lambda types, features: part(*types, features=tuple(features)),
        st.sets(st.sampled_from(TYPES[:2])),
        st.sets(st.sampled_from(("a", "b"))),
    ).filter(lambda found: not found.scope.whole),
    max_size=3,
    unique_by=lambda found: found.key,
)


@given(st.lists(labelled, unique=True), parts)
def test_every_row_goes_to_exactly_one_part(rows: list[tuple[str, str]], slices) -> None:
    cells = tuple(cell("large", 1, 0, feature=f, request_type=t) for f, t in rows)
    seen = shared_out(measured(cells, dict.fromkeys(rows, 1.0)), (*slices, REST))
    keys = {*(one.key for one in slices), RULE}
    counted = Counter(
        (one.feature, one.request_type) for key in keys for one in seen.rule(key).cells
    )

    assert counted == Counter(rows)
    assert sum(seen.rule(key).demand or 0.0 for key in keys) == pytest.approx(
        len(rows) if rows else 9.0
    )
    for one in slices:
        assert all(one.scope.holds(c.feature, c.request_type) for c in seen.rule(one.key).cells)


def test_rows_without_labels_tell_nothing_of_a_slice() -> None:
    seen = shared_out(measured((cell("large", 1, 0),), {}), (CHAT, REST))

    assert seen.rule(CHAT.key) == RuleMeasurement()
    assert len(seen.rule(RULE).cells) == 1
    assert seen.rule(RULE).demand == 9.0


def test_a_rule_without_slices_is_measured_as_it_was() -> None:
    before = measured((cell("large", 1, 0),), {})

    assert shared_out(before, (REST,)) is before


def heard(rule: RuleTarget) -> list[str]:
    """Return who has a say about a part: by selector, and whether it acts."""
    chats = {"request_types": frozenset({"chat"})}
    objectives = Objectives.of(
        [
            objective("all"),
            objective("chats", **chats),
            objective("chats-alert", shifts=False, **chats),
            objective("analyses", request_types=frozenset({"analysis"})),
            objective("elsewhere", rule="fast"),
        ]
    )
    return [slo.name for slo in objectives.on(rule)]


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        pytest.param(CHAT, ["all", "chats", "chats-alert"], id="a slice"),
        pytest.param(REST, ["all", "chats-alert"], id="the rest"),
        pytest.param(part("chat", features=("a",)), ["all", "chats", "chats-alert"], id="nested"),
        pytest.param(part("chat", "analysis"), ["all", "chats-alert"], id="wider than a selector"),
    ],
)
def test_an_objective_answers_for_what_lies_within_what_it_selects(rule, names) -> None:
    assert heard(rule) == names


def test_the_name_of_a_slice_leads_to_its_rule() -> None:
    assert CHAT.key == RuleKey("team-a", "chat", "slow[type=chat]")
    assert CHAT.base == RULE == REST.base
