"""A drawing of a backtest: shares above, bad fractions below, the unseen in grey."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from tokenfleet.adapters.drawing import Drawing
from tokenfleet.backtest.replay import LoopKey
from tokenfleet.backtest.run import Result

WIDTH: Final = 1000
PANEL: Final = 220
LEFT: Final = 60
TOP: Final = 46
GAP: Final = 54
LEGEND: Final = 18
RIGHT: Final = WIDTH - 20
COLORS: Final = ("#1f77b4", "#9467bd", "#2ca02c", "#d62728", "#8c564b", "#17becf")
UNSEEN: Final = "#dddddd"
LIMIT: Final = "#d62728"
FRAME: Final = "#999999"
TICKS: Final = 6
"""Times written under the drawing."""

TITLE: Final = "backtest: what is decided on the recorded data"

Point = tuple[float, float]


def draw(result: Result) -> Drawing:
    """Return the picture."""
    loops = sorted(result.curves)
    lower = TOP + PANEL + GAP
    page = Drawing(width=WIDTH, height=lower + PANEL + GAP + LEGEND * len(loops), title=TITLE)
    page.words(LEFT, 18, TITLE, size=14)
    _blind(page, result, TOP, lower + PANEL)
    _panel(page, TOP, "share of its own weight that the primary keeps")
    _panel(page, lower, "bad fraction of the primary's attempts, as recorded")
    _times(page, result, lower + PANEL)
    for number, key in enumerate(loops):
        _loop(page, result, key, number)
    _budgets(page, result, lower)
    return page


def _loop(page: Drawing, result: Result, key: LoopKey, number: int) -> None:
    color = COLORS[number % len(COLORS)]
    points = result.curves[key]
    lower = TOP + PANEL + GAP
    shares = [(_x(result, at), _y(TOP, share)) for at, share, _ in points]
    page.stroke(_stairs(shares), color=color, width=2)
    page.stroke([(_x(result, at), _y(lower, bad)) for at, _, bad in points], color=color)
    for replay in result.replays:
        for move in replay.tracks[key].moves if key in replay.tracks else ():
            said = f"{move.transition} {move.at.astimezone(UTC):%H:%M:%S} {move.message}"
            page.dot(_x(result, move.at), _y(TOP, move.to_share), 3, color=color, tip=said)
    whose = f", if {key.objective} shifted" if key.objective else ""
    y = lower + PANEL + GAP + LEGEND * number
    page.box(LEFT, y - 9, 16, 4, fill=color)
    page.words(LEFT + 22, y - 2, f"{key.rule} {key.primary}{whose}")


def _blind(page: Drawing, result: Result, top: float, bottom: float) -> None:
    for stretches in result.data.values():
        for at, to, state in stretches.until(result.plan.span.end):
            if state.startswith("Unknown"):
                x = _x(result, at)
                width = max(1.0, _x(result, to) - x)
                page.box(x, top, width, bottom - top, fill=UNSEEN, tip=state)


def _budgets(page: Drawing, result: Result, top: float) -> None:
    for budget in sorted({books.objective.budget for books in result.books}):
        y = _y(top, budget)
        page.stroke([(LEFT, y), (RIGHT, y)], color=LIMIT, dashed=True)
        page.words(WIDTH - 90, y - 4, f"budget {budget:.1%}")


def _panel(page: Drawing, top: float, title: str) -> None:
    page.words(LEFT, top - 6, title)
    page.box(LEFT, top, RIGHT - LEFT, PANEL, border=FRAME)
    for value in (0.0, 0.5, 1.0):
        page.words(LEFT - 44, _y(top, value) + 4, f"{value:.0%}")


def _times(page: Drawing, result: Result, bottom: float) -> None:
    span = result.plan.span
    whole = span.end - span.start
    for number in range(TICKS + 1):
        at = span.start + whole * number / TICKS
        page.words(_x(result, at) - 30, bottom + 16, f"{at.astimezone(UTC):%d %b %H:%M}", size=11)


def _x(result: Result, at: datetime) -> float:
    span = result.plan.span
    whole = max((span.end - span.start).total_seconds(), 1.0)
    return LEFT + (RIGHT - LEFT) * (at - span.start).total_seconds() / whole


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
