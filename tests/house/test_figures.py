"""The figures of the control-loop page are those that were measured, and nobody's handwriting."""

import importlib.util
import sys
from types import ModuleType

import pytest

from tests.house.repository import ROOT
from tokenfleet.simulation.gates import PROMISES, SHORT
from tokenfleet.simulation.report import pieces


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


def test_every_scenario_and_every_promise_about_load_was_measured() -> None:
    known = set(FIGURES.read("simulation.json"))

    assert known == {
        piece.name
        for piece in pieces(1, SHORT)
        if piece.name.startswith("scenario") or piece.name.partition(" ")[2] in PROMISES
    }
