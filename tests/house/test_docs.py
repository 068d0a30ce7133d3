"""Documents: relative links resolve, examples are shown, decisions are numbered once."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.house.repository import ROOT, files, text

PAGES = [path for path in files() if path.suffix == ".md"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)


def _anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text(path)))
    return {word.strip().replace(" ", "-") for word in words}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_relative_links_resolve(page: Path) -> None:
    broken = []
    for link in LINK.findall(text(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page.parent / name).resolve() if name else ROOT / page
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in _anchors(target.relative_to(ROOT))
        ):
            broken.append(link)

    assert broken == []


def test_paths_in_commands_exist() -> None:
    """What a reader is told to apply or install is there."""
    named = {
        (str(page), word.rstrip(".,"))
        for page in PAGES
        for word in re.findall(r"(?:operator/docs/examples|charts|crds)/[\w./-]*", text(page))
    }

    assert {(page, path) for page, path in named if not (ROOT / path).exists()} == set()


def test_the_page_of_examples_names_every_example() -> None:
    page = Path("operator/docs/examples.md")
    examples = {
        str(path.relative_to(page.parent))
        for path in files()
        if path.is_relative_to("operator/docs/examples") and "simulate" not in path.parts
    }

    assert examples
    assert {example for example in examples if example not in text(page)} == set()


def test_decision_numbers_are_used_once() -> None:
    numbers = Counter(
        path.name[:4] for path in files() if path.parent == Path("operator/docs/decisions")
    )

    assert numbers
    assert [number for number, count in numbers.items() if count > 1] == []
