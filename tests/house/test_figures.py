"""The figures of the control-loop page are those that were measured, and nobody's handwriting."""

import pytest

from tests.house.programs import program
from tokenfleet.simulation.gates import SHORT
from tokenfleet.simulation.report import GATES, pieces

FIGURES = program("figures")
PAGE = FIGURES.PAGE.read_text(encoding="utf-8")


def test_the_page_shows_what_was_measured() -> None:
    assert FIGURES.written(PAGE) == PAGE, "run `python operator/site/figures.py`"


@pytest.mark.parametrize("block", FIGURES.BLOCKS)
def test_every_figure_has_its_place(block: str) -> None:
    assert f"<!-- figures: {block} -->" in PAGE


def test_every_scenario_and_every_promise_was_measured() -> None:
    assert set(FIGURES.read("simulation.json")) == {piece.name for piece in pieces(1, SHORT)}


def test_history_is_about_promises_of_today() -> None:
    assert set(FIGURES.read("before.json")) <= set(GATES)
