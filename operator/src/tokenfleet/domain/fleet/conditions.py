"""Merging of conditions: times and generations are added here, and nowhere else.

Planners say what holds now (`type`, `status`, `reason`, `message`). A condition keeps its
`lastTransitionTime` for as long as its status stays the same, so that an unchanged world gives an
unchanged status and no write (api-conventions.md, "Typical status properties").
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from tokenfleet.api.conditions import PROGRESSING, READY
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.domain.fleet.problems import Problem

MESSAGE_LIMIT: Final = 1024
"""Characters; the CRDs' limit for a condition's message."""

PENDING: Final = "Pending"
"""Reason of a condition that is on its way: the change is young and nothing is wrong yet."""


def condition(
    type_: str,
    status: Literal["True", "False", "Unknown"] | bool,  # noqa: FBT001
    *,
    reason: str,
    message: str = "",
) -> Condition:
    """Say what holds now; the message is cut to the API's limit."""
    text = ("True" if status else "False") if isinstance(status, bool) else status
    return Condition.model_validate(
        {"type": type_, "status": text, "reason": reason, "message": message[:MESSAGE_LIMIT]}
    )


def judged(type_: str, problems: Iterable[Problem], *, reason: str, message: str = "") -> Condition:
    """Return False with the first problem of this type (all messages), else True with `reason`."""
    mine = [problem for problem in problems if problem.condition == type_]
    if not mine:
        return condition(type_, status=True, reason=reason, message=message)
    text = "; ".join(dict.fromkeys(problem.message for problem in mine))
    return condition(type_, status=False, reason=mine[0].reason, message=text)


def summary(
    conditions: Sequence[Condition], needed: Sequence[str], *, message: str, reason: str = READY
) -> Condition:
    """Fold conditions into `Ready`: the first needed one that is not True decides.

    Args:
        conditions: what holds now.
        needed: condition types in the order in which they explain a failure.
        message: what a ready object says.
        reason: and the word for it.
    """
    by_type = {item.type: item for item in conditions}
    for type_ in needed:
        found = by_type.get(type_)
        if found is not None and found.status != "True":
            return condition(READY, found.status, reason=found.reason, message=found.message)
    return condition(READY, status=True, reason=reason, message=message)


def held_over(
    fresh: Condition, previous: Sequence[Mapping[str, Any]], *, generation: int
) -> Condition:
    """Return the previous condition while a fresh one is pending for the same generation.

    Every change of shares is pending for some tenths of a second; users asked for nothing then, and
    a summary that flaps with each step of a recovery would help nobody.
    """
    if fresh.reason != PENDING:
        return fresh
    for item in previous:
        if item.get("type") == fresh.type and item.get("observedGeneration") == generation:
            return Condition.model_validate(item)
    return fresh


def merged(
    previous: Sequence[Mapping[str, Any]],
    fresh: Sequence[Condition],
    *,
    generation: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """Return the fresh conditions as JSON, in their order, with times carried over.

    Args:
        previous: conditions in the object's status, as JSON.
        fresh: what holds now; one per type.
        generation: `metadata.generation` that the fresh ones were computed from.
        now: time of a transition, in UTC.
    """
    before = {item.get("type"): item for item in previous}
    result = []
    for item in fresh:
        old = before.get(item.type, {})
        kept = old.get("lastTransitionTime") if old.get("status") == item.status else None
        result.append(
            {
                "type": item.type,
                "status": item.status,
                "observedGeneration": generation,
                "lastTransitionTime": kept or rfc3339(now),
                "reason": item.reason,
                "message": item.message,
            }
        )
    return result


def rfc3339(moment: datetime) -> str:
    """Write a time as Kubernetes does: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def with_failures(
    status: Mapping[str, Any],
    problems: Sequence[Problem],
    *,
    previous: Mapping[str, Any],
    generation: int,
    now: datetime,
) -> dict[str, Any]:
    """Return a planned status in which children show that are not as wanted.

    The condition of each problem is False, and with it `Ready`, unless the problem is one of
    `Progressing` alone: what runs goes on running.

    Args:
        status: what was planned when nothing was known of the failure.
        problems: one for each child.
        previous: the object's stored status, for transition times.
        generation: `metadata.generation`.
        now: time of a transition, in UTC.
    """
    told: dict[str, list[Problem]] = {}
    for problem in problems:
        told.setdefault(problem.condition, []).append(problem)
    stopping = [problem for problem in problems if problem.condition != PROGRESSING]
    if stopping:
        told[READY] = stopping
    planned = {
        item["type"]: Condition.model_validate(item) for item in status.get("conditions", ())
    }
    for type_, mine in told.items():
        text = "; ".join(problem.message for problem in mine)
        planned[type_] = condition(type_, status=False, reason=mine[0].reason, message=text)
    fresh = list(planned.values())
    conditions = merged(previous.get("conditions", ()), fresh, generation=generation, now=now)
    return {**status, "conditions": conditions}
