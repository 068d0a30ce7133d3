"""The figures of pages are those that were measured, and nobody's handwriting."""

from types import ModuleType

import pytest

from tests.house.programs import program
from tokenfleet.simulation.gates import SHORT
from tokenfleet.simulation.report import GATES, pieces

FIGURES = program("figures")
PAGES = [FIGURES, program("router_figures"), program("operator_figures")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
def test_the_page_shows_what_was_measured(page: ModuleType) -> None:
    text = page.PAGE.read_text(encoding="utf-8")

    assert page.written(text) == text, f"run `python operator/site/{page.__name__}.py`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
def test_every_figure_has_its_place(page: ModuleType) -> None:
    text = page.PAGE.read_text(encoding="utf-8")

    assert [name for name in page.BLOCKS if f"<!-- figures: {name} -->" not in text] == []


def test_every_scenario_and_every_promise_was_measured() -> None:
    assert set(FIGURES.read("simulation.json")) == {piece.name for piece in pieces(1, SHORT)}


def test_history_is_about_promises_of_today() -> None:
    assert set(FIGURES.read("before.json")) <= set(GATES)
