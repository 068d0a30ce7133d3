"""Draws one scenario as SVG: what was asked, where it went, how much of it was bad.

Three panels over the same time: requests per second, the primary's share with our decisions, and
the bad part of every minute. SVG is text: no library, no display, and every browser shows it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from tokenfleet.simulation.fleet import TARGET, Scenario
from tokenfleet.simulation.run import Result

WIDTH: Final = 1000
LEFT: Final = 64
RIGHT: Final = 24
PANEL: Final = 150
GAP: Final = 46
TOP: Final = 66
COLORS: Final = {
    "none": "#8c959f",
    "naive": "#bf8700",
    "flagger": "#cf222e",
    "pages": "#8250df",
    "ours": "#0969da",
    "oracle": "#1a7f37",
}
STYLE: Final = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.name { font-weight: 600 }
.small { font-size: 10px; fill: #57606a }
.axis { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke-width: 1.8 }
.oracle { stroke-dasharray: 4 3 }
.budget { stroke: #cf222e; stroke-width: 1; stroke-dasharray: 2 3 }
.cause { fill: #fff8c5 }
"""

Points = Iterable[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: where a moment and a value lie on the page."""

    top: float
    seconds: float
    highest: float

    def x(self, t: float) -> float:
        """Return the page's x of a second."""
        return LEFT + (WIDTH - LEFT - RIGHT) * t / self.seconds

    def y(self, value: float) -> float:
        """Return the page's y of a value."""
        return self.top + PANEL * (1 - min(value, self.highest) / self.highest)

    def frame(self, name: str, unit: Callable[[float], str]) -> list[str]:
        """Draw axes, with a name and three values."""
        found = [_text(LEFT, self.top - 8, name, "name")]
        for part in (0.0, 0.5, 1.0):
            value = self.highest * part
            y = self.y(value)
            found.append(_line(LEFT, y, WIDTH - RIGHT, y, "axis"))
            found.append(_text(LEFT - 8, y + 4, unit(value), "small", anchor="end"))
        return found

    def path(self, points: Points, color: str, style: str = "") -> str:
        """Draw a line through points."""
        where = " ".join(f"{self.x(t):.1f},{self.y(v):.1f}" for t, v in points)
        return f'<polyline class="line {style}" stroke="{color}" points="{where}"/>'


def svg(scenario: Scenario, results: Sequence[Result]) -> str:
    """Draw the runs of one scenario.

    Args:
        scenario: what happened.
        results: one run per policy; ours, where it is among them, with its decisions.
    """
    rate = scenario.stream.rate
    rates = [(t, rate(t)) for t in range(0, scenario.seconds, 10)]
    highest = max(rate for _, rate in rates)
    tops = [TOP + number * (PANEL + GAP) for number in range(3)]
    asked, share, bad = (
        Panel(top, scenario.seconds, most)
        for top, most in zip(tops, (1.2 * highest, 1.0, 1.0), strict=True)
    )
    height = tops[-1] + PANEL + 40
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(scenario.name)}: {escape(scenario.says)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(LEFT, 24, f"{scenario.name}: {scenario.says}", "title"),
        *_legend(results),
        *asked.frame("requests per second", lambda value: f"{value:.1f}"),
        asked.path(rates, "#57606a"),
        *share.frame("share of the primary", lambda value: f"{value:.0%}"),
        *bad.frame("bad requests, by minute", lambda value: f"{value:.0%}"),
        _line(LEFT, bad.y(1 - TARGET), WIDTH - RIGHT, bad.y(1 - TARGET), "budget"),
    ]
    for result in results:
        color, style = COLORS[result.policy], result.policy
        drawn.append(share.path(_steps(result), color, style))
        drawn.append(bad.path(_minutes(result), color, style))
        drawn += _decisions(result, share)
    drawn += _cause(scenario, (asked, share, bad))
    drawn += _hours(scenario, bad)
    return "\n".join([*drawn, "</svg>", ""])


def _steps(result: Result) -> list[tuple[float, float]]:
    points, w = [(0.0, 1.0)], 1.0
    for at, after in result.shares:
        points += [(at, w), (at, after)]
        w = after
    return [*points, (len(result.minutes) * 60.0, w)]


def _minutes(result: Result) -> list[tuple[float, float]]:
    return [(60.0 * n + 30, bad / max(1, all_)) for n, (all_, bad) in enumerate(result.minutes)]


def _decisions(result: Result, panel: Panel) -> list[str]:
    """Name each decision above the line, or below where the last name is too near."""
    shares, found, last = dict(result.shares), [], -100.0
    below = False
    for at, name in result.decisions:
        x = panel.x(at)
        below = not below if x - last < 8 * len(name) else False
        last = x
        y = panel.y(shares.get(at, 1.0)) + (14 if below else -5)
        found.append(_text(x + 2, y, name, "small"))
    return found


def _legend(results: Sequence[Result]) -> list[str]:
    found, x = [], float(LEFT)
    for result in results:
        said = f"{result.policy}: {result.bad:.1%} bad, {result.fallback:.0%} on the fallback"
        found.append(_line(x, 38, x + 18, 38, f"line {result.policy}", COLORS[result.policy]))
        found.append(_text(x + 24, 42, said, "small"))
        x += 40 + 5.4 * len(said)
    return found


def _cause(scenario: Scenario, panels: Iterable[Panel]) -> list[str]:
    if scenario.fault_at is None:
        return []
    found = []
    for panel in panels:
        x = panel.x(scenario.fault_at)
        found.append(_line(x, panel.top, x, panel.top + PANEL, "axis", "#bf8700"))
    return [*found, _text(x + 3, panel.top + PANEL - 4, "cause", "small")]


def _hours(scenario: Scenario, panel: Panel) -> list[str]:
    every = 1800 if scenario.seconds <= 4 * 3600 else 3600
    y = panel.top + PANEL + 16
    return [
        _text(panel.x(t), y, f"{t / 3600:g} h", "small", anchor="middle")
        for t in range(0, scenario.seconds + 1, every)
    ]


def _text(x: float, y: float, said: str, style: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
        f"{escape(said)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str, color: str = "") -> str:
    ink = f' stroke="{color}"' if color else ""
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} class="{style}"{ink}/>'
