"""Decisions of the control loop as Events, by the words that people on call use.

The name of the transition, which the control-loop page explains, stands in the note.
"""

from typing import Final

from tokenfleet.domain.fleet.keys import ROUTE, ObjectKey
from tokenfleet.domain.fleet.plan import EventNote
from tokenfleet.domain.slo.reporting.decisions import Taken

WHOLE: Final = 1000
"""Thousandths of a baseline that nothing is taken from."""

SHIFTED: Final = "TrafficShifted"
RETURNING: Final = "TrafficReturning"
RETURNED: Final = "TrafficReturned"

REASONS: Final = {
    "P0": "TrafficPinned",
    "P2": RETURNING,
    "P3": "ShiftKept",
    "P4": "ShiftInherited",
    "T1": SHIFTED,
    "T1h": SHIFTED,
    "T1r": RETURNING,
    "T2": SHIFTED,
    "T3": RETURNING,
    "T4": RETURNING,
    "T5": RETURNING,
    "T6": "ReturnFailed",
    "T7": "FallbackOverloaded",
    "T8": RETURNING,
    "T9": "ShiftFrozen",
    "T10": "ShiftThawed",
    "T11": "FallbackLost",
    "T12": RETURNING,
    "T13": "ShiftTooDear",
    "L1": "FallbackLost",
    "L2": RETURNING,
    "L3": RETURNING,
    "L4": "FallbackOverloaded",
    "L5": SHIFTED,
    "L6": RETURNING,
    "L7": "ShiftTooDear",
}
"""Transition -> reason of its Event, as the control-loop page lists them."""

ALARMING: Final = frozenset(
    {SHIFTED, "ReturnFailed", "FallbackOverloaded", "ShiftFrozen", "FallbackLost", "ShiftTooDear"}
)
"""Reasons that mean something is wrong; the others bring things back to order."""


def decision_note(taken: Taken) -> EventNote:
    """Return the Event of one decision."""
    decision = taken.decision
    reason = REASONS[decision.transition]
    if reason == RETURNING and decision.to_w == WHOLE:
        reason = RETURNED
    name = f"{decision.transition}, decision {taken.id}"
    return EventNote(
        type="Warning" if reason in ALARMING else "Normal",
        reason=reason,
        action="SetShares",
        note=f"rule {taken.rule.rule}: {taken.message} ({name})",
        about=ObjectKey(ROUTE, taken.rule.namespace, taken.rule.route),
        id=taken.id,
        at=decision.at,
        transitions=(decision.transition,),
    )
