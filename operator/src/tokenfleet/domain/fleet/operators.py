"""Which operator manages a namespace: a mark in the status of every object.

    status.operator    who writes the object's status and its children
    status.contender   another operator that watches the object too, and leaves it alone

An operator is known by its Lease, as NAMESPACE/NAME: the replicas of a release share it, and so do
the versions before and after an upgrade. Whose mark is in a namespace, and whose Lease is held,
manages all of it: the status of a route follows from what the visit of its router found, so the two
must not be in different hands. Where two have marked objects of a new namespace at the same
moment, the one whose name sorts first goes on.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from tokenfleet.api.conditions import MANAGED_BY_ANOTHER
from tokenfleet.domain.fleet.conditions import condition, merged
from tokenfleet.domain.fleet.plan import EventNote

Body = Mapping[str, Any]

OPERATOR: Final = "operator"
CONTENDER: Final = "contender"


def operator_of(body: Body) -> str:
    """Return whose mark an object carries; empty: nobody's."""
    return str(body.get("status", {}).get(OPERATOR, ""))


def contender_of(body: Body) -> str:
    """Return who else watches an object; empty: nobody is known to."""
    return str(body.get("status", {}).get(CONTENDER, ""))


def uncontended(body: Body) -> Body:
    """Return an object without what another operator wrote into its status."""
    status = body.get("status", {})
    if CONTENDER not in status:
        return body
    return {**body, "status": {k: v for k, v in status.items() if k != CONTENDER}}


def unmarked(body: Body) -> Body:
    """Return an object as planners know it: they neither read marks nor plan them."""
    if "status" not in body:
        return body
    status = {k: v for k, v in body["status"].items() if k not in {OPERATOR, CONTENDER}}
    if "conditions" in status:
        told = status["conditions"]
        status["conditions"] = [item for item in told if item["type"] != MANAGED_BY_ANOTHER]
    return {**body, "status": status}


def rival_of(me: str, *, marked: Collection[str], live: Collection[str]) -> str:
    """Return who manages a namespace in our place; empty: nobody does.

    Args:
        me: this operator.
        marked: all whose marks are there.
        live: those of them, without us, who may still write.
    """
    first = min(live, default="")
    return first if first and (me not in marked or first < me) else ""


def marked(
    status: Mapping[str, Any],
    me: str,
    *,
    contender: str,
    previous: Mapping[str, Any],
    generation: int,
    now: datetime,
) -> dict[str, Any]:
    """Return a planned status with our mark, and a condition while somebody else watches too.

    Args:
        status: what was planned.
        me: this operator.
        contender: who else watches the object; empty: nobody.
        previous: the object's stored status, for transition times.
        generation: `metadata.generation`.
        now: time of a transition, in UTC.
    """
    found = {**status, OPERATOR: me}
    if contender:
        told = condition(
            MANAGED_BY_ANOTHER,
            status=True,
            reason="OperatorsOverlap",
            message=f"{me} manages this object; {contender} watches it too and leaves it alone:"
            " let each namespace be watched by one operator (watch.namespaces)",
        )
        before = previous.get("conditions", ())
        found["conditions"] = [
            *status.get("conditions", ()),
            *merged(before, [told], generation=generation, now=now),
        ]
    return found


def rival_note(me: str, rival: str) -> EventNote:
    """Tell that an object is left alone."""
    return EventNote(
        type="Warning",
        reason=MANAGED_BY_ANOTHER,
        action="LeaveAlone",
        note=f"{me} watches this object and leaves it alone: {rival} manages its namespace; let"
        f" each namespace be watched by one operator, or remove {rival}: {me} goes on once the"
        " Lease of that name has not been renewed for a minute, or is deleted",
    )
