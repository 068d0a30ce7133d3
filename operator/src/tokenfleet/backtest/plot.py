"""A drawing of a backtest as SVG: shares above, bad fractions below, the unseen in grey.

Plain text without a library: a picture of a few lines needs none, and the file opens in a browser.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from tokenfleet.backtest.replay import LoopKey
from tokenfleet.backtest.run import Result

WIDTH: Final = 1000
PANEL: Final = 220
LEFT: Final = 60
TOP: Final = 46
GAP: Final = 54
LEGEND: Final = 18
COLORS: Final = ("#1f77b4", "#9467bd", "#2ca02c", "#d62728", "#8c564b", "#17becf")
TICKS: Final = 6
"""Times written under the drawing."""

Point = tuple[float, float]


def draw(result: Result) -> str:
    """Return an SVG document."""
    loops = sorted(result.curves)
    lower = TOP + PANEL + GAP
    height = lower + PANEL + GAP + LEGEND * len(loops)
    return "\n".join(
        [
            _root(height),
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
            _label(LEFT, 18, "backtest: what is decided on the recorded data", 14),
            *_blind(result, TOP, lower + PANEL),
            *_panel(TOP, "share of its own weight that the primary keeps"),
            *_panel(lower, "bad fraction of the primary's attempts, as recorded"),
            *_times(result, lower + PANEL),
            *(line for number, key in enumerate(loops) for line in _loop(result, key, number)),
            *_budgets(result, lower),
            "</svg>",
            "",
        ]
    )


def _root(height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">'
    )


def _loop(result: Result, key: LoopKey, number: int) -> Iterator[str]:
    color = COLORS[number % len(COLORS)]
    points = result.curves[key]
    lower = TOP + PANEL + GAP
    shares = [(_x(result, at), _y(TOP, share)) for at, share, _ in points]
    yield _line(_stairs(shares), color, 2)
    yield _line([(_x(result, at), _y(lower, bad)) for at, _, bad in points], color, 1)
    for replay in result.replays:
        for move in replay.tracks[key].moves if key in replay.tracks else ():
            x, y = _x(result, move.at), _y(TOP, move.to_share)
            said = f"{move.transition} {move.at.astimezone(UTC):%H:%M:%S} {move.message}"
            yield (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}">'
                f"<title>{escape(said)}</title></circle>"
            )
    whose = f", if {key.objective} shifted" if key.objective else ""
    y = lower + PANEL + GAP + LEGEND * number
    yield f'<rect x="{LEFT}" y="{y - 9}" width="16" height="4" fill="{color}"/>'
    yield _label(LEFT + 22, y - 2, f"{key.rule} {key.primary}{whose}")


def _blind(result: Result, top: float, bottom: float) -> Iterator[str]:
    for stretches in result.data.values():
        for at, to, state in stretches.until(result.plan.span.end):
            if state.startswith("Unknown"):
                x = _x(result, at)
                yield (
                    f'<rect x="{x:.1f}" y="{top}" width="{max(1.0, _x(result, to) - x):.1f}"'
                    f' height="{bottom - top}" fill="#dddddd"><title>{escape(state)}</title></rect>'
                )


def _budgets(result: Result, top: float) -> Iterator[str]:
    for budget in sorted({books.objective.budget for books in result.books}):
        y = _y(top, budget)
        yield (
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - 20}" y2="{y:.1f}" stroke="#d62728"'
            ' stroke-dasharray="4 3"/>'
        )
        yield _label(WIDTH - 90, y - 4, f"budget {budget:.1%}")


def _panel(top: float, title: str) -> Iterator[str]:
    yield _label(LEFT, top - 6, title)
    yield (
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH - 20 - LEFT}" height="{PANEL}" fill="none"'
        ' stroke="#999999"/>'
    )
    for value in (0.0, 0.5, 1.0):
        yield _label(LEFT - 44, _y(top, value) + 4, f"{value:.0%}")


def _times(result: Result, bottom: float) -> Iterator[str]:
    span = result.plan.span
    whole = span.end - span.start
    for number in range(TICKS + 1):
        at = span.start + whole * number / TICKS
        yield _label(_x(result, at) - 30, bottom + 16, f"{at.astimezone(UTC):%d %b %H:%M}", 11)


def _x(result: Result, at: datetime) -> float:
    span = result.plan.span
    whole = max((span.end - span.start).total_seconds(), 1.0)
    return LEFT + (WIDTH - 20 - LEFT) * (at - span.start).total_seconds() / whole


def _y(top: float, value: float) -> float:
    return top + PANEL * (1 - min(1.0, max(0.0, value)))


def _stairs(points: Sequence[Point]) -> list[Point]:
    """Keep a share level until it changes."""
    found: list[Point] = []
    for x, y in points:
        if found:
            found.append((x, found[-1][1]))
        found.append((x, y))
    return found


def _line(points: Sequence[Point], color: str, width: int) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"/>'


def _label(x: float, y: float, text: str, size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}">{escape(text)}</text>'
