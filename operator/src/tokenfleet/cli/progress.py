"""How far long work has come: one line on standard error, for a person who waits.

Nothing is shown where standard error is no terminal, or with `--quiet`; what a command prints on
standard output is the same in every case.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

WIDTH: Final = 30
"""Characters of the bar."""
ANEW: Final = "\r\x1b[K"
"""Beginning of the line, and all of it away."""


class Progress:
    """One line that is written over and over."""

    def __init__(self, stream: TextIO | None) -> None:
        """Write to a terminal; None: nowhere."""
        self._stream, self._line = stream, ""

    def __call__(self, done: float) -> None:
        """Show a fraction, 0 to 1, as a bar."""
        percent = int(done * 100)
        filled = "#" * (percent * WIDTH // 100)
        self.say(f"[{filled:<{WIDTH}}] {percent:3} %")

    def say(self, text: str) -> None:
        """Show a text in place of what is there."""
        if self._stream is not None and text != self._line:
            self._line = text
            print(ANEW + text, end="", file=self._stream, flush=True)


def _rewritable() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def progress(args: argparse.Namespace) -> Iterator[Progress]:
    """Yield a line that is taken away in the end, whatever happens."""
    shown = Progress(None if args.quiet or not _rewritable() else sys.stderr)
    try:
        yield shown
    finally:
        shown.say("")


def add_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--quiet`."""
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="show no progress, on a terminal either"
    )
