"""A recording of what the demo told, as an asciicast (version 2) that any player of them plays.

The first line of the file is a JSON object about the whole; each other line is `[seconds, "o", text]`.
"""

import json
import time
from pathlib import Path

WIDTH, HEIGHT = 120, 30
"""Characters and lines of the terminal that players show."""


class Tape:
    """Lines with their times, in seconds since the first one."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str]] = []
        self._begun: float | None = None

    def add(self, text: str) -> None:
        """Record one line, or several, as told now."""
        now = time.monotonic()
        self._begun = now if self._begun is None else self._begun
        self.lines += [(now - self._begun, one.rstrip()) for one in text.splitlines()]


def write(tape: Tape, path: Path) -> None:
    """Write the asciicast."""
    head = {"version": 2, "width": WIDTH, "height": HEIGHT, "title": "make demo"}
    events = [[round(at, 3), "o", f"{text}\r\n"] for at, text in tape.lines]
    written = [json.dumps(one, ensure_ascii=False) for one in (head, *events)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(written) + "\n", encoding="utf-8")


def read(path: Path) -> list[tuple[float, str]]:
    """Return the lines of an asciicast that `write` wrote."""
    _, *events = path.read_text(encoding="utf-8").splitlines()
    return [(at, text.rstrip("\r\n")) for at, _, text in map(json.loads, events)]
