"""What is told and kept at the end, however the story ended."""

from io import StringIO
from pathlib import Path

from rich.console import Console, RenderableType
from rich.text import Text

from e2e.demo import archive, plot, tape, view
from e2e.demo.claims import Claim, judge
from e2e.demo.numbers import comparison, rows
from e2e.demo.timeline import Timeline


def tell(console: Console, story: Timeline, recorded: tape.Tape, folder: Path) -> None:
    """Print tables and claims; keep the record, the recording and the plot in a folder."""
    parts = report(story)
    for part in parts:
        console.print(part, highlight=False)
        recorded.add(_text(part))
    folder.mkdir(parents=True, exist_ok=True)
    archive.write(story, folder / "story.json")
    tape.write(recorded, folder / "story.cast")
    plot.draw(story, folder / "story.svg")
    console.print(f"kept in {folder}: story.svg, story.cast, story.json", highlight=False)


def report(story: Timeline) -> list[RenderableType]:
    """Return all that is told of a story."""
    parts: list[RenderableType] = [view.table(rows(story), "the story in numbers")]
    beside = comparison(story)
    if beside:
        title = "the same slow pool, without the shift and with it"
        parts.append(view.table(beside, title, "", "Alert", "ShiftTraffic"))
    return [*parts, *map(_line, judge(story))]


def _line(claim: Claim) -> Text:
    mark = Text("  yes  ", style="green") if claim.holds else Text("  NO   ", style="bold red")
    return mark.append(f"{claim.text}: {claim.facts}", style="default")


def _text(part: RenderableType) -> str:
    plain = Console(file=StringIO(), width=tape.WIDTH, force_terminal=False)
    plain.print(part, highlight=False)
    assert isinstance(plain.file, StringIO)
    return plain.file.getvalue()
