"""The router reads bodies as Python's parser does, wherever they are cut.

`make fuzz CASES=1000000` compares more bodies than the ones here, which are the same every time.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.property.router import readers
from tests.property.router.compare import compare

CASES = 20_000


@pytest.fixture(scope="session")
def program() -> Path:
    """The readers, built."""
    return readers.build()


@pytest.mark.parametrize("kind", ["r", "a", "s"], ids=["requests", "answers", "streams"])
def test_every_body_is_read_as_by_a_strict_parser(program, kind):
    """Those it takes are routed by their model and counted; every other one is refused."""
    taken = compare(program, kind, cases=CASES, seed=1)

    assert CASES // 10 < taken < CASES, "both kinds of bodies are among them"


def test_every_header_of_stages_is_read_as_its_grammar_says(program):
    """What does not fit is counted and left out, and takes nothing else along."""
    whole = compare(program, "h", cases=CASES, seed=1)

    assert CASES // 20 < whole < CASES, "both kinds of headers are among them"
