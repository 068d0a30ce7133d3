"""Draws a recording of the terminal as one SVG that plays by itself, without scripts.

Lines appear in the order in which they were told; when the screen is full the older ones move up. Time
is squeezed: the gaps between lines are cut to `LONGEST_GAP`, and the whole starts again from its beginning.
"""

import re
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Final

ROWS: Final = 26
"""Lines that are seen at once."""
LINE: Final = 17.0
"""Height of a line."""
GLYPH: Final = 7.23
"""Width of a character at `SIZE`."""
SIZE: Final = 12
MARGIN: Final = 14.0
BAR: Final = 28.0
"""Height of the window's title."""
LONGEST_GAP: Final = 0.7
"""Seconds, of the film, between two lines."""
SHORTEST_GAP: Final = 0.12
SPEED: Final = 12.0
"""Seconds of the story in one of the film."""
LAST: Final = 8.0
"""Seconds for which the end stays."""

STYLES: Final = (
    (re.compile(r"^== "), "say"),
    (re.compile(r"^-> "), "act"),
    (re.compile(r"^  yes "), "yes"),
    (re.compile(r"^  NO "), "no"),
    (re.compile(r"objective missed"), "bad"),
)
CSS: Final = """
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#c9d1d9;white-space:pre}
.say{fill:#79c0ff;font-weight:600}.act{fill:#ffa657}.yes{fill:#7ee787}.no,.bad{fill:#ff7b72}.title{fill:#8b949e}
"""


def draw(lines: Sequence[tuple[float, str]], *, width: int, title: str) -> str:
    """Return the SVG of lines with their times in seconds; longer ones are wrapped at `width` characters."""
    rows = [(at, part, _style(text)) for at, text in lines for part in _wrapped(text, width)]
    times = _film(rows)
    length = (times[-1] if times else 0.0) + LAST
    wide, high = width * GLYPH + 2 * MARGIN, ROWS * LINE + BAR + MARGIN
    texts = "".join(
        f'<text y="{(number + 1) * LINE:.0f}"{f" class={chr(34)}{style}{chr(34)}" if style else ""}'
        f' opacity="0">{escape(part)}{_appear(time, length)}</text>\n'
        for number, ((_, part, style), time) in enumerate(zip(rows, times, strict=True))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}"'
        f' role="img" aria-label="{escape(title)}">\n<style>{CSS}</style>\n'
        f'<rect width="100%" height="100%" rx="8" fill="#0d1117"/>\n'
        f'<text class="title" x="{MARGIN}" y="19">$ {escape(title)}</text>\n'
        f'<svg x="{MARGIN}" y="{BAR}" width="{wide - 2 * MARGIN:.0f}" height="{ROWS * LINE + 6:.0f}">'
        f"<g>{_scroll(times, length)}\n{texts}</g></svg>\n</svg>\n"
    )


def _wrapped(text: str, width: int) -> list[str]:
    """Return the lines that a terminal makes of one, broken between words where there are any."""
    parts = []
    while len(text) > width:
        cut = text.rfind(" ", width // 2, width)
        cut = cut if cut > 0 else width
        parts.append(text[:cut])
        text = "   " + text[cut:].lstrip()
    return [*parts, text]


def _style(text: str) -> str:
    return next((name for pattern, name in STYLES if pattern.search(text)), "")


def _film(rows: Sequence[tuple[float, str, str]]) -> list[float]:
    """Return when each line appears in the film."""
    times = [0.5] if rows else []
    for (before, _, _), (at, _, _) in pairwise(rows):
        gap = (at - before) / SPEED
        times.append(times[-1] + (min(max(gap, SHORTEST_GAP), LONGEST_GAP) if at > before else 0))
    return times


def _appear(time: float, length: float) -> str:
    share = time / length
    return (
        f'<animate attributeName="opacity" values="0;1" keyTimes="0;{share:.4f}" calcMode="discrete"'
        f' dur="{length:.1f}s" repeatCount="indefinite"/>'
    )


def _scroll(times: Sequence[float], length: float) -> str:
    """Move everything up by a line for each that comes when the screen is full."""
    steps = {0.0: 0}
    for number, time in enumerate(times):
        steps[time] = max(0, number + 1 - ROWS)
    values = ";".join(f"0 {-LINE * step:.0f}" for step in steps.values())
    keys = ";".join(f"{time / length:.4f}" for time in steps)
    return (
        f'<animateTransform attributeName="transform" type="translate" values="{values}"'
        f' keyTimes="{keys}" calcMode="discrete" dur="{length:.1f}s" repeatCount="indefinite"/>'
    )
