"""Words for a terminal: colours where there is one, tables, ages, and a question."""

import os
import re
import signal
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TextIO

PLAIN: Final = ""
BOLD: Final = "1"
DIM: Final = "2"
GOOD: Final = "32"
BAD: Final = "31"
WARN: Final = "33"

UNKNOWN: Final = "-"
"""Stands where nothing was measured, which is not 0."""
"""SGR parameters (ECMA-48); no meaning rests on colour alone, words say the same."""

CLEAR: Final = "\x1b[H\x1b[J"
"""Cursor to the top left, and everything below it away."""


_STYLE: Final = re.compile(r"(\x1b\[[0-9;]*m)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""C0, DEL and C1 (ECMA-48)."""


class Cell(NamedTuple):
    """A piece of text and how it looks."""

    text: str
    style: str = PLAIN


class Refused(Exception):  # noqa: N818 - a person's answer, not a fault
    """A person said no, or could not be asked."""


def coloured(stream: TextIO) -> bool:
    """Tell whether to colour: on a terminal, unless `NO_COLOR` is set (no-color.org)."""
    plain = os.environ.get("NO_COLOR", "") or os.environ.get("TERM") == "dumb"
    return not plain and stream.isatty()


def harmless(text: str) -> str:
    """Return a text without control characters, which would steer the terminal.

    Callers choose the names of users and features, and whoever may write an object its conditions.
    """
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def painted(cell: Cell, *, colour: bool) -> str:
    """Return the text with its style."""
    text = harmless(cell.text)
    return f"\x1b[{cell.style}m{text}\x1b[0m" if colour and cell.style else text


def table(heads: Sequence[str], rows: Iterable[Sequence[Cell | str]], *, colour: bool) -> list[str]:
    """Return the lines of a table; columns are as wide as they must be."""
    lines = [[Cell(head, BOLD) for head in heads]]
    lines += [[_cell(one) for one in row] for row in rows]
    widths = [max(len(line[at].text) for line in lines) for at in range(len(heads))]
    return [
        "  ".join(
            painted(cell, colour=colour) + " " * (width - len(cell.text))
            for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


def cut(line: str, width: int) -> str:
    """Return the first characters of a painted line, as many as fit."""
    left, kept = width, list[str]()
    for piece in _STYLE.split(line):
        kept.append(piece if _STYLE.fullmatch(piece) else piece[: max(0, left)])
        left -= 0 if _STYLE.fullmatch(piece) else len(piece)
    return "".join(kept)


def _cell(one: Cell | str) -> Cell:
    text, style = one if isinstance(one, Cell) else Cell(one)
    return Cell(harmless(text), style)


def age(then: str, now: datetime) -> str:
    """Return how long ago an RFC 3339 time was, as kubectl writes ages; empty for no time."""
    try:
        moment = datetime.fromisoformat(then).astimezone(UTC)
    except ValueError:
        return ""
    return length(max(timedelta(0), now - moment))


def length(span: timedelta) -> str:
    """Return a length of time in its two largest units at most: `45s`, `3m20s`, `5h`, `12d`."""
    seconds = int(span.total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:  # noqa: PLR2004
        rest = seconds % 60
        return (
            f"{minutes}m{rest}s" if minutes and rest else f"{minutes}m" if minutes else f"{rest}s"
        )
    if hours < 3:  # noqa: PLR2004
        return f"{minutes}m"
    return f"{hours}h" if hours < 48 else f"{days}d"  # noqa: PLR2004


def ask(question: str, *, yes: bool) -> None:
    """Ask a person; go on without where `yes`.

    Raises:
        Refused: they said no, or there is no terminal to ask at.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        msg = "nobody can be asked, standard input is no terminal: add --yes, or --dry-run to look"
        raise Refused(msg)
    if _typed(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        msg = "nothing was changed"
        raise Refused(msg)


def _typed(question: str) -> str:
    """Ask, and read a line; Ctrl-C ends it at once.

    An event loop takes the first SIGINT for itself and goes on reading (`asyncio.Runner`).
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        print(question, end="", flush=True)
        return sys.stdin.readline()
    finally:
        signal.signal(signal.SIGINT, before)
