"""Pictures of the pages, as SVG: `python operator/site/pictures.py` writes them again.

One is a run of the simulator, drawn by the command line's own plot. The others are diagrams,
written here as boxes and arrows. A test compares the files with what this program gives.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tokenfleet.adapters.drawing import PALE, Drawing

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
BLUE, GREEN, AMBER, RED = "#0969da", "#1a7f37", "#bf8700", "#cf222e"
HEAD = 9.0
"""Length of an arrow's head."""


@dataclass(frozen=True, slots=True)
class Node:
    """A box with a name and lines of text."""

    x: float
    y: float
    width: float
    name: str
    lines: tuple[str, ...] = ()
    color: str = BLUE

    @property
    def height(self) -> float:
        """Return as much as its lines need."""
        return 34 + 16 * len(self.lines)

    def draw(self, page: Drawing) -> None:
        """Draw it."""
        page.box(self.x, self.y, self.width, self.height, fill="#f6f8fa", border=self.color)
        middle = self.x + self.width / 2
        page.words(middle, self.y + 22, self.name, bold=True, anchor="middle")
        for number, line in enumerate(self.lines):
            page.words(
                middle, self.y + 40 + 16 * number, line, size=11, color=PALE, anchor="middle"
            )


def line(page: Drawing, *points: tuple[float, float]) -> None:
    """Draw a line with a head at its last point."""
    begin, end = points[-2:]
    page.stroke([*points], color=PALE, width=1.5)
    angle = math.atan2(end[1] - begin[1], end[0] - begin[0])
    for side in (angle + 2.6, angle - 2.6):
        tip = (end[0] + HEAD * math.cos(side), end[1] + HEAD * math.sin(side))
        page.stroke([end, tip], color=PALE, width=1.5)


def arrow(
    page: Drawing,
    begin: tuple[float, float],
    end: tuple[float, float],
    said: str,
    *,
    below: bool = False,
) -> None:
    """Draw an arrow with words beside its middle: right of one that is not level, else above."""
    line(page, begin, end)
    middle = ((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2)
    if abs(end[1] - begin[1]) <= HEAD:
        page.words(middle[0], middle[1] + (16 if below else -7), said, size=11, anchor="middle")
        return
    falls = (end[1] - begin[1]) * (end[0] - begin[0]) >= 0  # then the free corner is the upper one
    page.words(middle[0] + 8, middle[1] + (-2 if falls else 14), said, size=11)


def objects() -> str:
    """Return who writes what: users specs, the operator children and one configuration."""
    page = Drawing(width=980, height=430, title="Objects, and who writes them")
    user = Node(30, 40, 180, "You", ("git, kubectl, Helm,", "Argo CD, Flux"), GREEN)
    specs = Node(
        300, 24, 230, "Specs", ("ServingPool, ModelRouter,", "ModelRoute, TokenSLO"), GREEN
    )
    prometheus = Node(
        740, 40, 200, "Prometheus", ("attempts, first tokens,", "queues of engines"), AMBER
    )
    operator = Node(300, 160, 230, "Operator", ("observe, plan, apply",))
    config = Node(
        300, 280, 230, "<router>-config", ("rules, shares, memory:", "one object, one write")
    )
    status = Node(30, 160, 180, "status, Events", ("what it did, and why",))
    pods = Node(740, 160, 200, "Pools", ("Deployments of engines,", "or your own Services"))
    router = Node(740, 300, 200, "Router pods", ("Envoy, and an agent", "that renders for it"))
    for node in (user, specs, prometheus, operator, config, status, pods, router):
        node.draw(page)
    arrow(page, (210, 70), (300, 70), "writes")
    arrow(page, (415, 90), (415, 160), "is read by; never written")
    arrow(page, (740, 86), (530, 172), "measurements")
    arrow(page, (300, 190), (210, 190), "writes")
    arrow(page, (530, 190), (740, 190), "makes and changes")
    arrow(page, (415, 210), (415, 280), "writes")
    arrow(page, (530, 335), (740, 335), "is watched by agents")
    arrow(page, (740, 312), (530, 204), "say what is in force")
    arrow(page, (840, 300), (840, 226), "requests")
    page.words(740, 400, "Clients send requests to the router pods.", size=11, color=PALE)
    return page.svg()


def states() -> str:
    """Return the control loop's states, with the transitions that lead from one to the other."""
    page = Drawing(width=980, height=330, title="States of the control loop")
    normal = Node(40, 60, 200, "Normal", ("as written",), GREEN)
    shifted = Node(390, 60, 200, "Shifted", ("some with a fallback",), RED)
    recovering = Node(740, 60, 200, "Recovering", ("back, step by step",), AMBER)
    frozen = Node(390, 220, 200, "Frozen", ("too many shifts in an hour",), PALE)
    for node in (normal, shifted, recovering, frozen):
        node.draw(page)
    arrow(page, (240, 74), (390, 74), "T1, T1h")
    arrow(page, (390, 100), (240, 100), "T7, T8, T11 to T13", below=True)
    arrow(page, (590, 74), (740, 74), "T3, T1r")
    arrow(page, (740, 100), (590, 100), "T6", below=True)
    arrow(page, (470, 110), (470, 220), "T9")
    arrow(page, (530, 220), (530, 110), "T10")
    arrow(page, (800, 110), (590, 240), "T9")
    line(page, (390, 252), (100, 252), (100, 110))
    page.words(245, 268, "T8, T10, T12, T13", size=11, anchor="middle")
    arrow(page, (215, 110), (390, 232), "T9")
    line(page, (840, 60), (840, 30), (140, 30), (140, 60))
    page.words(490, 24, "T5, T7, T8, T11 to T13", size=11, anchor="middle")
    page.words(650, 285, "T1: breach. T2: shift more. T3: first step back.", size=11, color=PALE)
    page.words(650, 302, "T4: next step back. T5: all is as written.", size=11, color=PALE)
    return page.svg()


PICTURES: dict[str, Callable[[], str]] = {"objects.svg": objects, "states.svg": states}
SHIFT = ("simulate", "--scenario", "B", "--policy", "ours", "--seeds", "1", "--plot")
"""The command that draws one shift; the path of the picture follows."""


def write() -> None:
    """Write every picture."""
    from tokenfleet.cli.main import main  # noqa: PLC0415  the simulator takes a while to load

    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8")
    sys.exit(main([*SHIFT, str(FOLDER / "shift.svg")]))


if __name__ == "__main__":
    write()
