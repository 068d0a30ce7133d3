"""Pictures are what their program draws now."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.house.repository import ROOT
from tokenfleet.cli.main import main
from tokenfleet.domain.fleet.decision_notes import REASONS


def _program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "operator/site/pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pictures"] = module
    spec.loader.exec_module(module)
    return module


PICTURES = _program()
HOW = "run `make golden`"


@pytest.mark.parametrize("name", PICTURES.PICTURES)
def test_a_diagram_is_current(name: str) -> None:
    written = (PICTURES.FOLDER / name).read_text(encoding="utf-8")

    assert written == PICTURES.PICTURES[name](), HOW


def test_the_picture_of_a_shift_is_current(tmp_path: Path) -> None:
    assert main([*PICTURES.SHIFT, str(tmp_path / "shift.svg")]) == 0
    drawn = (tmp_path / "shift.svg").read_text(encoding="utf-8")

    assert (PICTURES.FOLDER / "shift.svg").read_text(encoding="utf-8") == drawn, HOW


def test_the_states_show_every_transition_between_states() -> None:
    text = PICTURES.states()

    assert {name for name in REASONS if name.startswith("T") and name not in text} == set()
