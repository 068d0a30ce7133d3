"""Events that follow from a change of status: the summary condition's transitions."""

from collections.abc import Mapping
from typing import Any

from tokenfleet.api.conditions import READY
from tokenfleet.domain.fleet.plan import EventNote


def transition_notes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[EventNote, ...]:
    """Tell when `Ready` changes its status or its reason.

    The first sight of an object is silent unless something is wrong.
    """
    old, new = _ready(before), _ready(after)
    if new is None or (old is not None and _word(old) == _word(new)):
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


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((item for item in status.get("conditions", ()) if item["type"] == READY), None)


def _word(condition: Mapping[str, Any]) -> tuple[str, str]:
    return condition["status"], condition["reason"]
