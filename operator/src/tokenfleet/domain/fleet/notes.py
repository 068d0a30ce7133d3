"""Events that follow from a change of status: the summary condition's transitions."""

from collections.abc import Mapping
from typing import Any

from tokenfleet.api.conditions import READY
from tokenfleet.domain.fleet.plan import EventNote

Word = tuple[str, str]
"""Status and reason of the condition `Ready`."""


def transition_notes(old: Word | None, after: Mapping[str, Any]) -> tuple[EventNote, ...]:
    """Tell when `Ready` changes its status or its reason.

    The first sight of an object is silent unless something is wrong.

    Args:
        old: what was said last; None: nothing.
        after: the status that is stored now.
    """
    new = _ready(after)
    if new is None or old == _word(new):
        return ()
    if new["status"] == "Unknown" or (old is None and new["status"] != "False"):
        return ()
    return (
        EventNote(
            type="Normal" if new["status"] == "True" else "Warning",
            reason=new["reason"],
            action="Observe",
            note=new.get("message") or new["reason"],
        ),
    )


def contest_note(text: str) -> EventNote:
    """Tell that somebody else keeps changing a child."""
    return EventNote(type="Warning", reason="FieldConflict", action="Apply", note=text)


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((item for item in status.get("conditions", ()) if item["type"] == READY), None)


def ready_word(status: Mapping[str, Any]) -> Word | None:
    """Return the word of a status; None where it says nothing of `Ready`."""
    found = _ready(status)
    return _word(found) if found is not None else None


def _word(condition: Mapping[str, Any]) -> Word:
    return condition["status"], condition["reason"]
