"""`python -m e2e.demo.pictures`: the front page's pictures, from what the last demo kept."""

from pathlib import Path

from e2e.demo import archive, plot, tape, terminal
from e2e.demo.__main__ import FOLDER
from e2e.kit import repository

PICTURES = repository() / "operator" / "docs" / "pictures"


def draw(kept: Path, pictures: Path) -> None:
    """Draw the plot and the terminal."""
    plot.draw(archive.read(kept / "story.json"), pictures / "demo-plot.svg")
    film = terminal.draw(tape.read(kept / "story.cast"), width=tape.WIDTH, title="make demo")
    (pictures / "demo-terminal.svg").write_text(film, encoding="utf-8")


if __name__ == "__main__":
    draw(FOLDER, PICTURES)
