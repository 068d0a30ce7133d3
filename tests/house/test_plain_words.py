"""Pages are written for engineers who read English as a second language."""

import re

import pytest

from tests.house.repository import files, text

PAGES = [path for path in files() if path.suffix == ".md" and "decisions" not in path.parts]
RIDDLES = (
    "would leave half of them",
    "weakest and slowest",
    "timers stand still",
    "nobody to spare",
    "never *breach*",
    "nobody needs to get up",
    "wakes nobody",
    "the bill does",
    "then luck decides",
    "one too many",
    "out of the blue",
    "overload saws",
    "nowhere to go",
    "nobody can say",
    "the operator's books",
)
"""What readers did not understand; write what happens instead."""


@pytest.mark.parametrize("riddle", RIDDLES)
def test_no_page_speaks_in_riddles(riddle: str) -> None:
    found = [str(page) for page in PAGES if riddle in re.sub(r"\s+", " ", text(page)).lower()]

    assert found == []
