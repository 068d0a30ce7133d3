"""Words for a terminal: colours where there is one, tables, ages, and a question."""

import os
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
"""SGR parameters (ECMA-48); no meaning rests on colour alone, words say the same."""

CLEAR: Final = "\x1b[H\x1b[J"
"""Cursor to the top left, and everything below it away."""


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


def painted(cell: Cell, *, colour: bool) -> str:
    """Return the text with its style."""
    return f"\x1b[{cell.style}m{cell.text}\x1b[0m" if colour and cell.style else cell.text


def table(heads: Sequence[str], rows: Iterable[Sequence[Cell | str]], *, colour: bool) -> list[str]:
    """Return the lines of a table; columns are as wide as they must be."""
    lines = [[Cell(head, BOLD) for head in heads]]
    lines += [[one if isinstance(one, Cell) else Cell(one) for one in row] for row in rows]
    widths = [max(len(line[at].text) for line in lines) for at in range(len(heads))]
    return [
        "  ".join(
            painted(cell, colour=colour) + " " * (width - len(cell.text))
            for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


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
    print(f"{question} [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        msg = "nothing was changed"
        raise Refused(msg)
