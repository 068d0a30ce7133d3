"""Decisions as Events: every transition has a word that people on call know."""

from pathlib import Path

import pytest

from tests.unit.domain.fleet.builders import T0
from tokenfleet.domain.fleet.decision_notes import REASONS, decision_note
from tokenfleet.domain.slo.control.memory import Decision
from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.domain.slo.reporting.decisions import Taken
from tokenfleet.domain.slo.reporting.explanations import TEXTS

PAGE = Path("operator/docs/events.md")


def note(transition: str, *, to_w: int = 500):  # type: ignore[no-untyped-def]
    decision = Decision(transition=transition, at=T0, from_w=250, to_w=to_w, pool="small")
    return decision_note(Taken.of(RuleKey("ns", "chat", "slow"), "large", decision))


def test_every_transition_has_a_reason_and_a_place_on_the_page() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    told = {
        (name, row.split("`")[1])
        for row in rows
        for name in row.rsplit("|", 2)[1].replace(" ", "").split(",")
        if name
    }
    made = {(name, note(name, to_w=to_w).reason) for name in REASONS for to_w in (500, 1000)}

    assert REASONS.keys() == TEXTS.keys()
    assert {name for name, _ in told} == REASONS.keys()
    assert told <= made


@pytest.mark.parametrize(
    ("transition", "to_w", "reason", "type_"),
    [
        ("T1", 500, "TrafficShifted", "Warning"),
        ("T4", 500, "TrafficReturning", "Normal"),
        ("T12", 1000, "TrafficReturned", "Normal"),
        ("T9", 500, "ShiftFrozen", "Warning"),
    ],
)
def test_the_reason_is_a_word_and_the_transition_stands_in_the_note(
    transition: str, to_w: int, reason: str, type_: str
) -> None:
    made = note(transition, to_w=to_w)

    assert (made.reason, made.type) == (reason, type_)
    assert made.note.endswith(f"({transition}, decision {made.id})")
    assert made.about == ("ModelRoute", "ns", "chat")
