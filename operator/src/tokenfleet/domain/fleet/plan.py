"""What a visit asks for: pure data that the applier carries out, in the order of the fields."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from tokenfleet.domain.fleet.keys import ObjectKey

Body = Mapping[str, Any]
"""One Kubernetes object as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventNote:
    """Something worth telling the people who watch an object, as an Event."""

    type: Literal["Normal", "Warning"]
    reason: str
    """CamelCase; why the action was taken."""
    action: str
    """CamelCase; what was done."""
    note: str
    """Sentence with the numbers; at most 1024 bytes are kept."""
    about: ObjectKey | None = None
    """Object that it is about; None: the visited one."""
    id: str = ""
    """Identifies a happening that is kept until it has been told (untold.py); empty: it is told
    once or not at all, and repetitions are counted."""
    at: datetime | None = None
    """When it happened; None: now."""
    transitions: tuple[str, ...] = ()
    """Names of the control loop's transitions that it tells of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """One object that is no longer wanted, pinned to the copy that was seen."""

    key: ObjectKey
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything one visit asks for."""

    replace: Body | None = None
    """Object written whole, with the resourceVersion that was read: `<router>-config`."""
    unstored: Callable[[Exception], "Plan"] | None = None
    """Returns, given why `replace` was not stored, the plan that is true without it."""
    applies: tuple[Body, ...] = ()
    """Children, by server-side apply."""
    deletes: tuple[Deletion, ...] = ()
    """Children that are no longer wanted."""
    status: Mapping[str, Any] | None = None
    """Whole wanted status of the visited object; None leaves it alone."""
    events: tuple[EventNote, ...] = ()
    """Told only once `replace` is stored."""
    requeue_after: timedelta | None = None
    """When to look again without being asked; None waits for a change."""
