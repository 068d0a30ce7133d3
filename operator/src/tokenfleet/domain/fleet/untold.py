"""What has happened and nobody may have been told of: kept beside the decision, in the same PUT.

    decide -> PUT shares, memory and notes -> Events -> PUT without the notes

A crash or a conflict between the first PUT and the Events loses nothing: whoever visits next finds
the notes. A crash between the Events and the second PUT tells them again, under the same names and
with the same words, which changes nothing while the Events exist.
"""

import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, Final

from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.domain.fleet.plan import EventNote

BYTES_MAX: Final = 128 * 1024
"""Bytes of all notes that wait: some 400. Only a decision about hundreds of rules at once takes
more; what does not fit is told in one sentence. Comes on top of the limit of the configuration, and
stays within the 1 MiB of a ConfigMap with it."""

WORDS_MAX: Final = 400
"""Characters of one note."""

_TYPES: Final = {"N": "Normal", "W": "Warning"}


def still_untold(
    waiting: Iterable[EventNote], told: AbstractSet[str], fresh: Sequence[EventNote]
) -> tuple[EventNote, ...]:
    """Return what has to wait: what waits and was not told, and what has just happened."""
    return _bounded((*(note for note in waiting if note.id not in told), *fresh))


def encode(notes: Iterable[EventNote]) -> str:
    """Write notes; equal notes give equal text."""
    return json.dumps([_packed(note) for note in notes], separators=(",", ":"))


def decode(text: str) -> tuple[EventNote, ...]:
    """Read what `encode` wrote.

    Raises:
        ValueError, TypeError, LookupError, OverflowError, OSError: it is something else.
    """
    return tuple(_unpacked(*item) for item in json.loads(text))


def _bounded(notes: tuple[EventNote, ...]) -> tuple[EventNote, ...]:
    left = BYTES_MAX
    for index, note in enumerate(notes):
        left -= len(json.dumps(_packed(note))) + 1
        if left < 0:
            return (*notes[:index], _folded(notes[index:]))
    return notes


def _folded(notes: Sequence[EventNote]) -> EventNote:
    """Return one note, about the router, that stands for many."""
    return EventNote(
        type="Warning",
        reason="TrafficShifted",
        action="SetShares",
        note=f"{len(notes)} more decisions were taken at the same time; see the status of routes",
        id=notes[0].id,
        at=notes[0].at,
        transitions=tuple(name for note in notes for name in note.transitions),
    )


def _packed(note: EventNote) -> list[Any]:
    kind, namespace, name = note.about or ("", "", "")
    at = int(note.at.timestamp()) if note.at is not None else 0
    transitions = ",".join(note.transitions)
    words = note.note[:WORDS_MAX]
    place = [kind, namespace, name]
    return [note.id, at, note.type[0], note.reason, note.action, words, transitions, *place]


def _unpacked(  # noqa: PLR0913, PLR0917 - one for each place of the list
    id_: str,
    at: int,
    type_: str,
    reason: str,
    action: str,
    words: str,
    transitions: str,
    *place: str,
) -> EventNote:
    kind, namespace, name = place
    texts = (id_, type_, reason, action, words, transitions, *place)
    if not all(isinstance(text, str) for text in texts):
        msg = "a note is made of texts"
        raise TypeError(msg)
    return EventNote(
        type="Warning" if _TYPES[type_] == "Warning" else "Normal",
        reason=reason,
        action=action,
        note=words,
        about=ObjectKey(kind, namespace, name) if kind else None,
        id=id_,
        at=datetime.fromtimestamp(at, UTC) if at else None,
        transitions=tuple(transitions.split(",")) if transitions else (),
    )
