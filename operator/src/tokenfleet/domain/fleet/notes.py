"""What people are told of conditions: each object's summary, and whether objectives are met."""

from collections.abc import Mapping
from typing import Any, Final

from tokenfleet.api.conditions import MET, READY, WEIGHTS_FETCHED
from tokenfleet.domain.fleet.plan import EventNote
from tokenfleet.domain.pools.prefetch_progress import FETCHING

Words = Mapping[str, tuple[str, str]]
"""Condition -> status and reason that were told last, of those that are told of."""

REASONS: Final = {"True": "ObjectiveMet", "False": "ObjectiveMissed"}
"""Status of `Met` -> reason of its Event."""


def transition_notes(old: Words, after: Mapping[str, Any]) -> tuple[EventNote, ...]:
    """Tell when a condition that matters to people changes its status or its reason.

    The first sight of an object is silent unless something is wrong, and what is not known is not
    told: the last that was known stays what it is compared with.

    Args:
        old: what was said last; a condition that is absent was never told of.
        after: the status that is stored now.
    """
    fresh = words(after)
    changed = [
        type_
        for type_, word in fresh.items()
        if word != old.get(type_) and (type_ in old or word[0] == "False")
    ]
    # A pool that waits for its weights says so in two conditions.
    return tuple(dict.fromkeys(_note(type_, after) for type_ in changed))


def words(status: Mapping[str, Any]) -> Words:
    """Return what a status says of the conditions that are told of, as far as it is known."""
    told = {item["type"]: item for item in status.get("conditions", ())}
    return {
        type_: (told[type_]["status"], told[type_]["reason"])
        for type_ in (WEIGHTS_FETCHED, READY, MET)
        if type_ in told and told[type_]["status"] != "Unknown"
    }


def stored_words(status: Mapping[str, Any]) -> Words:
    """Return what a stored status says, for a process that does not know what was told of it.

    A summary that is not known yet was looked at all the same: what becomes of it is news. Whether
    an objective was met is news only against what was known.
    """
    ready = next((item for item in status.get("conditions", ()) if item["type"] == READY), None)
    return {**({READY: (ready["status"], ready["reason"])} if ready else {}), **words(status)}


def contest_note(text: str) -> EventNote:
    """Tell that somebody else keeps changing a child."""
    return EventNote(type="Warning", reason="FieldConflict", action="Apply", note=text)


def _note(type_: str, status: Mapping[str, Any]) -> EventNote:
    condition = next(item for item in status["conditions"] if item["type"] == type_)
    well = condition["status"] == "True" or condition["reason"] == FETCHING
    return EventNote(
        type="Normal" if well else "Warning",
        reason=REASONS[condition["status"]] if type_ == MET else condition["reason"],
        action="Observe",
        note=_judgement(status)
        if type_ == MET
        else condition.get("message") or condition["reason"],
    )


def _judgement(status: Mapping[str, Any]) -> str:
    """Say by which numbers an objective is met or missed."""
    current = status.get("current", {})
    value = f", value {current['value']}" if current.get("value") else ""
    total = current.get("total", 0)
    seen = f"{current.get('bad', 0)} of {total} attempts were bad, " if total else ""
    return f"{seen}burn rate {current.get('burnRate') or 'not known'}{value}"
