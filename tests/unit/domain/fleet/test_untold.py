"""What has to be told is kept until it is told, and has a limit."""

import json
from dataclasses import replace
from datetime import timedelta

from tests.unit.domain.fleet.builders import T0
from tokenfleet.domain.fleet import untold
from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.domain.fleet.plan import EventNote

NOTE = EventNote(
    type="Warning",
    reason="TrafficShifted",
    action="SetShares",
    note="rule slow: \u2026",
    about=ObjectKey("ModelRoute", "ns", "chat"),
    id="d1",
    at=T0,
    transitions=("T1",),
)
LOST = EventNote(type="Normal", reason="R", action="A", note="n", id="d2")


def test_what_is_written_is_read_back() -> None:
    assert untold.decode(untold.encode([NOTE, LOST])) == (NOTE, LOST)
    assert untold.decode("[]") == ()


def test_what_was_told_is_dropped_and_what_was_not_comes_first() -> None:
    fresh = replace(NOTE, id="d3", at=T0 + timedelta(minutes=1))

    assert untold.still_untold((NOTE, LOST), {"d1"}, (fresh,)) == (LOST, fresh)


def test_a_decision_about_a_thousand_rules_fits_and_counts_every_one() -> None:
    notes = [replace(NOTE, id=f"d{n}", note="x" * 1000) for n in range(1000)]

    kept = untold.still_untold((), set(), notes)

    assert len(untold.encode(kept)) <= untold.BYTES_MAX + 1000 * len("T1,")
    assert kept[0].id == "d0"
    assert f"{1001 - len(kept)} more decisions" in kept[-1].note
    assert sum(len(note.transitions) for note in kept) == 1000
    assert json.loads(untold.encode(kept))
