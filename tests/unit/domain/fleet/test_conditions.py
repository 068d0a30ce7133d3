"""Conditions keep their times, and a summary explains itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tokenfleet.domain.fleet.conditions import (
    PENDING,
    condition,
    held_over,
    judged,
    merged,
    summary,
    with_failures,
)
from tokenfleet.domain.fleet.notes import transition_notes, words
from tokenfleet.domain.fleet.problems import Problem

T0 = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
LATER = T0 + timedelta(hours=1)


def merge(previous, *fresh, now=T0, generation=1):
    return merged(previous, fresh, generation=generation, now=now)


def test_the_time_moves_only_with_the_status() -> None:
    first = merge([], condition("Ready", status=True, reason="A"))
    same = merge(first, condition("Ready", status=True, reason="B"), now=LATER, generation=2)
    other = merge(same, condition("Ready", status=False, reason="C"), now=LATER)

    assert first[0]["lastTransitionTime"] == "2026-01-01T12:00:00Z"
    assert same[0]["lastTransitionTime"] == first[0]["lastTransitionTime"]
    assert same[0]["observedGeneration"] == 2
    assert other[0]["lastTransitionTime"] == "2026-01-01T13:00:00Z"


def test_an_unchanged_world_gives_unchanged_conditions() -> None:
    fresh = condition("Ready", status=True, reason="A", message="m")

    assert merge(merge([], fresh), fresh, now=LATER) == merge([], fresh)


def test_the_first_problem_gives_the_reason_and_all_give_the_message() -> None:
    problems = [
        Problem(condition="Accepted", reason="One", message="first"),
        Problem(condition="Other", reason="X", message="elsewhere"),
        Problem(condition="Accepted", reason="Two", message="second"),
        Problem(condition="Accepted", reason="One", message="first"),
    ]

    found = judged("Accepted", problems, reason="Accepted")

    assert (found.status, found.reason, found.message) == ("False", "One", "first; second")


def test_the_summary_is_the_first_needed_condition_that_is_not_true() -> None:
    found = [
        condition("A", status=True, reason="Fine"),
        condition("B", "Unknown", reason="Waiting", message="b"),
        condition("C", status=False, reason="Broken", message="c"),
    ]

    assert summary(found, ("A", "C", "B"), message="ok").reason == "Broken"
    assert summary(found, ("A", "B", "C"), message="ok").status == "Unknown"
    assert summary(found, ("A",), message="ok").message == "ok"


def test_a_pending_condition_gives_way_to_the_previous_one_of_the_same_generation() -> None:
    previous = merge([], condition("Programmed", status=True, reason="Programmed"))
    pending = condition("Programmed", "Unknown", reason=PENDING)

    assert held_over(pending, previous, generation=1).status == "True"
    assert held_over(pending, previous, generation=2) is pending
    assert held_over(pending, [], generation=1) is pending


def test_a_refused_child_turns_accepted_and_ready_false_and_leaves_the_rest() -> None:
    planned = {
        "replicas": 1,
        "conditions": merge(
            [],
            condition("Accepted", status=True, reason="Accepted"),
            condition("Available", status=True, reason="Up"),
            condition("Ready", status=True, reason="Ready"),
        ),
    }
    refusal = Problem(condition="Accepted", reason="ChildRefused", message="quota")

    status = with_failures(planned, [refusal], previous={}, generation=1, now=T0)

    words = {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}
    assert words == {
        "Accepted": ("False", "ChildRefused"),
        "Available": ("True", "Up"),
        "Ready": ("False", "ChildRefused"),
    }
    assert status["replicas"] == 1


def test_people_are_told_of_transitions_and_not_of_repetitions() -> None:
    def status(*, ok: bool, reason: str) -> dict[str, object]:
        return {"conditions": merge([], condition("Ready", status=ok, reason=reason, message="m"))}

    up, down = status(ok=True, reason="Ready"), status(ok=False, reason="Broken")

    assert [note.type for note in transition_notes(words(up), down)] == ["Warning"]
    assert [note.type for note in transition_notes(words(down), up)] == ["Normal"]
    assert transition_notes(words(up), up) == ()
    assert transition_notes({}, up) == ()
    assert [note.reason for note in transition_notes({}, down)] == ["Broken"]


def judged_met(status: str, *, bad: int) -> dict[str, Any]:
    """Return the status of an objective."""
    return {
        "conditions": [{"type": "Met", "status": status, "reason": "R"}],
        "current": {"total": 80, "bad": bad, "burnRate": f"{bad / 8:.2f}"},
    }


def test_missing_an_objective_and_meeting_it_again_are_told_with_the_numbers() -> None:
    met, missed = judged_met("True", bad=0), judged_met("False", bad=40)

    (worse,) = transition_notes(words(met), missed)
    (better,) = transition_notes(words(missed), met)

    assert (worse.type, worse.reason) == ("Warning", "ObjectiveMissed")
    assert worse.note == "40 of 80 attempts were bad, burn rate 5.00"
    assert (better.type, better.reason) == ("Normal", "ObjectiveMet")


def test_an_objective_that_cannot_be_seen_for_a_while_is_not_met_again() -> None:
    met, missed = judged_met("True", bad=0), judged_met("False", bad=40)

    assert transition_notes(words(missed), judged_met("Unknown", bad=0)) == ()
    assert words(judged_met("Unknown", bad=0)) == {}
    assert transition_notes(words(met), met) == ()
    assert transition_notes({}, met) == ()
