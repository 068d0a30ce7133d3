"""Pictures of runs: what was asked, where it went, how much of it was bad.

Three panels over the same time: requests per second, shares with our decisions by name, and the bad
part of every minute.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tokenfleet.adapters.drawing import PALE, Drawing, Points
from tokenfleet.simulation.fleet import Scenario
from tokenfleet.simulation.run import Result

WIDTH: Final = 1000
LEFT: Final = 64
RIGHT: Final = 24
PANEL: Final = 150
GAP: Final = 46
TOP: Final = 66
BUDGET: Final = "#cf222e"
CAUSE: Final = "#bf8700"
COLORS: Final = {
    "none": "#8c959f",
    "naive": "#bf8700",
    "flagger": "#cf222e",
    "pages": "#8250df",
    "ours": "#0969da",
    "oracle": "#1a7f37",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: where a moment and a value lie on the page."""

    page: Drawing
    top: float
    seconds: float
    highest: float

    def x(self, t: float) -> float:
        """Return the page's x of a second."""
        return LEFT + (WIDTH - LEFT - RIGHT) * min(t, self.seconds) / self.seconds

    def y(self, value: float) -> float:
        """Return the page's y of a value."""
        return self.top + PANEL * (1 - min(value, self.highest) / self.highest)

    def frame(self, name: str, unit: Callable[[float], str]) -> None:
        """Draw axes, with a name and three values."""
        self.page.words(LEFT, self.top - 8, name, bold=True)
        for part in (0.0, 0.5, 1.0):
            value = self.highest * part
            y = self.y(value)
            self.page.stroke([(LEFT, y), (WIDTH - RIGHT, y)])
            self.page.words(LEFT - 8, y + 4, unit(value), size=10, color=PALE, anchor="end")

    def path(self, points: Points, color: str, *, dashed: bool = False) -> None:
        """Draw a line through moments and values."""
        where = [(self.x(t), self.y(v)) for t, v in points]
        self.page.stroke(where, color=color, width=1.8, dashed=dashed)

    def level(self, value: float, color: str) -> None:
        """Draw a dashed line at a value."""
        y = self.y(value)
        self.page.stroke([(LEFT, y), (WIDTH - RIGHT, y)], color=color, dashed=True)

    def moment(self, t: float, color: str) -> None:
        """Draw a line at a moment."""
        self.page.stroke(
            [(self.x(t), self.top), (self.x(t), self.top + PANEL)], color=color, dashed=True
        )

    def names(self, named: Iterable[tuple[float, float, str]]) -> None:
        """Write names at (moment, value), below the line where the last one is too near."""
        last, below = -100.0, False
        for t, value, name in named:
            x = self.x(t)
            below = not below if x - last < 8 * len(name) else False
            last = x
            y = self.y(value) + (14 if below else -5)
            self.page.words(x + 2, y, name, size=10, color=PALE)

    def hours(self) -> None:
        """Write the time below."""
        every = 1800 if self.seconds <= 4 * 3600 else 3600 * max(1, round(self.seconds / 36_000))
        y = self.top + PANEL + 16
        for t in range(0, int(self.seconds) + 1, every):
            said = f"{t / 3600:g} h"
            self.page.words(self.x(t), y, said, size=10, color=PALE, anchor="middle")


def page(title: str, panels: int) -> Drawing:
    """Return an empty page for panels below each other."""
    height = TOP + panels * (PANEL + GAP) - GAP + 40
    drawing = Drawing(width=WIDTH, height=height, title=title)
    drawing.words(LEFT, 24, title, size=15, bold=True)
    return drawing


def tops(panels: int) -> list[float]:
    """Return where each panel begins."""
    return [TOP + number * (PANEL + GAP) for number in range(panels)]


def comparison(scenario: Scenario, results: Sequence[Result]) -> Drawing:
    """Draw the runs of one scenario.

    Args:
        scenario: what happened.
        results: one run per policy; ours, where it is among them, with its decisions.
    """
    rate = scenario.stream.rate
    rates = [(float(t), rate(t)) for t in range(0, scenario.seconds, 10)]
    drawing = page(f"{scenario.name}: {scenario.says}", 3)
    asked, share, bad = (
        Panel(drawing, top, scenario.seconds, most)
        for top, most in zip(tops(3), (1.2 * max(r for _, r in rates), 1.0, 1.0), strict=True)
    )
    legend(drawing, _said(results))
    asked.frame("requests per second", lambda value: f"{value:.1f}")
    asked.path(rates, PALE)
    share.frame("share of the primary", lambda value: f"{value:.0%}")
    bad.frame("bad requests, by minute", lambda value: f"{value:.0%}")
    bad.level(1 - scenario.objectives[0].target, BUDGET)
    for result in results:
        color, dashed = COLORS[result.policy], result.policy == "oracle"
        share.path(steps(result.shares, scenario.seconds), color, dashed=dashed)
        bad.path(minutes(result.minutes), color, dashed=dashed)
        changes = dict(result.shares)
        share.names((at, changes.get(at, 1.0), name) for at, name in result.decisions)
    if scenario.fault_at is not None:
        for panel in (asked, share, bad):
            panel.moment(scenario.fault_at, CAUSE)
            where = panel.x(scenario.fault_at) + 3, panel.top + PANEL - 4
            drawing.words(*where, "cause", size=10, color=PALE)
    bad.hours()
    return drawing


def legend(drawing: Drawing, said: Iterable[tuple[str, str]], y: float = 38) -> None:
    """Write (words, color) beside each other."""
    x = float(LEFT)
    for words, color in said:
        drawing.stroke([(x, y), (x + 18, y)], color=color, width=1.8)
        drawing.words(x + 24, y + 4, words, size=10, color=PALE)
        x += 40 + 5.4 * len(words)


def steps(shares: Iterable[tuple[float, float]], seconds: float) -> list[tuple[float, float]]:
    """Return the corners of a share that stays until it changes; it begins as written, at 1."""
    points, w = [(0.0, 1.0)], 1.0
    for at, after in shares:
        points += [(at, w), (at, after)]
        w = after
    return [*points, (seconds, w)]


def minutes(counts: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """Return the bad part of every minute, in its middle."""
    return [(60.0 * n + 30, bad / max(1, all_)) for n, (all_, bad) in enumerate(counts)]


def _said(results: Iterable[Result]) -> Iterator[tuple[str, str]]:
    for result in results:
        said = f"{result.policy}: {result.bad:.1%} bad, {result.fallback:.0%} on the fallback"
        yield said, COLORS[result.policy]
