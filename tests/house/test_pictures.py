"""Pictures are what their program draws now."""

from pathlib import Path

import pytest

from tests.house.programs import program
from tokenfleet.cli.main import main
from tokenfleet.domain.fleet.decision_notes import REASONS

PICTURES = program("pictures")
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
