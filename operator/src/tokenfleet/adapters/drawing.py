"""Drawings: lines, boxes, dots and words on a page, as SVG or, by matplotlib, as anything else.

SVG is text: no library, no display, and every browser shows it. PNG and PDF need a library that
knows fonts, which the operator does not: it is the extra `plot` of the package.
"""

import importlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from xml.sax.saxutils import escape

SUFFIXES: Final = (".svg", ".png", ".pdf")
INK: Final = "#24292f"
PALE: Final = "#57606a"
RULE: Final = "#d0d7de"
FONT: Final = "system-ui, sans-serif"

Points = Iterable[tuple[float, float]]
Anchor = Literal["start", "middle", "end"]


class DrawingError(Exception):
    """The picture cannot be written; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A line of text."""

    x: float
    y: float
    """Of its base line."""
    said: str
    size: float = 12
    bold: bool = False
    color: str = INK
    anchor: Anchor = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    color: str = RULE
    width: float = 1.0
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle, filled, with a border, or both."""

    x: float
    y: float
    width: float
    height: float
    fill: str = "none"
    border: str = "none"
    tip: str = ""
    """Shown by a browser when the mouse rests on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    radius: float
    color: str
    tip: str = ""
    """As of a box."""


Shape = Words | Stroke | Box | Dot


@dataclass(slots=True, kw_only=True)
class Drawing:
    """A white page; y grows downwards, units are those of the page."""

    width: float
    height: float
    title: str
    shapes: list[Shape] = field(default_factory=list)

    def words(self, x: float, y: float, said: str, **style: Any) -> None:
        """Write a line of text; see `Words`."""
        self.shapes.append(Words(x=x, y=y, said=said, **style))

    def stroke(self, points: Points, **style: Any) -> None:
        """Draw a line; see `Stroke`."""
        self.shapes.append(Stroke(points=tuple(points), **style))

    def box(self, x: float, y: float, width: float, height: float, **style: Any) -> None:
        """Draw a rectangle; see `Box`."""
        self.shapes.append(Box(x=x, y=y, width=width, height=height, **style))

    def dot(self, x: float, y: float, radius: float, **style: Any) -> None:
        """Draw a filled circle; see `Dot`."""
        self.shapes.append(Dot(x=x, y=y, radius=radius, **style))

    def svg(self) -> str:
        """Return the page as SVG."""
        box = f"0 0 {self.width:g} {self.height:g}"
        root = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="{box}"'
        lines = [
            f'{root} font-family="{FONT}">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{self.width:g}" height="{self.height:g}" fill="white"/>',
            *(_svg(shape) for shape in self.shapes),
            "</svg>",
            "",
        ]
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """Write the page in the format of the file's suffix.

        Raises:
            DrawingError: the suffix is not known, or its library is not there.
            OSError: the file cannot be written.
        """
        check(path)
        if path.suffix.lower() == ".svg":
            path.write_text(self.svg(), encoding="utf-8")
            return
        with path.open("wb") as file:
            self._figure().savefig(file, format=path.suffix.lower().removeprefix("."), dpi=100)

    def _figure(self) -> Any:
        figures = importlib.import_module("matplotlib.figure")
        figure = figures.Figure(figsize=(self.width / 100, self.height / 100))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, self.width), ylim=(self.height, 0))
        axes.axis("off")
        for shape in self.shapes:
            _paint(axes, shape)
        return figure


def check(path: Path) -> None:
    """Refuse a file that could not be written, before anything is computed for it.

    Raises:
        DrawingError: the suffix is not known, its library is not there, or nothing can be written
            at the place.
    """
    if why := _unwritable(path):
        msg = f"{path}: {why}"
        raise DrawingError(msg)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        msg = f"{path}: pictures end in {', '.join(SUFFIXES)}"
        raise DrawingError(msg)
    if suffix == ".svg":
        return
    try:
        importlib.import_module("matplotlib.figure")
    except ImportError as error:
        msg = f"{path}: {suffix} needs matplotlib; pip install 'tokenfleet[plot]', or write .svg"
        raise DrawingError(msg) from error


def _unwritable(path: Path) -> str:
    folder = path.parent
    if path.is_dir():
        return "a folder is there; name a file"
    if not folder.is_dir():
        return f"there is no folder {folder}"
    place = path if path.exists() else folder
    return "" if os.access(place, os.W_OK) else "no permission to write there"


def _svg(shape: Shape) -> str:
    match shape:
        case Words():
            weight = ' font-weight="600"' if shape.bold else ""
            return (
                f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:g}"{weight}'
                f' fill="{shape.color}" text-anchor="{shape.anchor}">{escape(shape.said)}</text>'
            )
        case Stroke():
            where = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
            dashes = ' stroke-dasharray="4 3"' if shape.dashed else ""
            return (
                f'<polyline fill="none" stroke="{shape.color}" stroke-width="{shape.width:g}"'
                f'{dashes} points="{where}"/>'
            )
        case Box():
            return (
                f'<rect x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}"'
                f' height="{shape.height:.1f}" fill="{shape.fill}" stroke="{shape.border}">'
                f"{_tip(shape.tip)}</rect>"
            )
        case Dot():
            return (
                f'<circle cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:g}"'
                f' fill="{shape.color}">{_tip(shape.tip)}</circle>'
            )


def _tip(said: str) -> str:
    return f"<title>{escape(said)}</title>" if said else ""


def _paint(axes: Any, shape: Shape) -> None:
    """Put a shape on matplotlib's axes; a picture of pixels has no tips."""
    match shape:
        case Words():
            axes.text(
                shape.x,
                shape.y,
                shape.said.replace("$", r"\$"),
                size=0.72 * shape.size,  # points, of which a hundredth of an inch has 0.72
                weight="bold" if shape.bold else "normal",
                color=shape.color,
                ha={"start": "left", "middle": "center", "end": "right"}[shape.anchor],
            )
        case Stroke():
            axes.plot(
                [x for x, _ in shape.points],
                [y for _, y in shape.points],
                color=shape.color,
                linewidth=0.72 * shape.width,
                linestyle="--" if shape.dashed else "-",
            )
        case Box():
            left, right, top, low = shape.x, shape.x + shape.width, shape.y, shape.y + shape.height
            axes.fill(
                (left, right, right, left), (top, top, low, low),
                facecolor=shape.fill, edgecolor=shape.border, linewidth=0.72,
            )  # fmt: skip
        case Dot():
            axes.plot([shape.x], [shape.y], "o", color=shape.color, markersize=1.44 * shape.radius)
