"""The figures of the control-loop page are those that were measured, and nobody's handwriting."""

import importlib.util
import sys
from types import ModuleType

import pytest

from tests.house.repository import ROOT
from tokenfleet.simulation.gates import SHORT
from tokenfleet.simulation.report import GATES, pieces


def _program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("figures", ROOT / "operator/site/figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["figures"] = module
    spec.loader.exec_module(module)
    return module


FIGURES = _program()
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
