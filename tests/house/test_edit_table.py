"""Every row of the control-loop page's table of edits has a test, and every such test has its row."""

import ast
import re
from collections import defaultdict

import pytest

from tests.house.repository import ROOT

PAGE = ROOT / "operator/docs/control-loop.md"
HEAD = "| the edit | at once | then | Event |"
FOLDER = ROOT / "tests/unit/domain/fleet"


def told() -> dict[str, list[str]]:
    """Return row -> the Events that it names."""
    lines = PAGE.read_text().partition(f"{HEAD}\n")[2].partition("\n\n")[0].splitlines()[1:]
    cells = [line.strip("| ").split(" | ") for line in lines]
    rows = {row[0]: row[3:] for row in cells}
    return {edit: re.findall(r"`(\w+)`", "".join(events)) for edit, events in rows.items()}


def shown() -> dict[str, str]:
    """Return row -> the text of the tests that say they show it."""
    found: dict[str, str] = defaultdict(str)
    for file in sorted(FOLDER.glob("test_*.py")):
        text = file.read_text()
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef):
                for row in rows_of(function):
                    found[row] += ast.get_source_segment(text, function) or ""
    return found


def rows_of(function: ast.FunctionDef) -> list[str]:
    return [
        ast.literal_eval(mark.args[0])
        for mark in function.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.edit"
    ]


def test_rows_and_tests_are_the_same() -> None:
    assert set(shown()) == set(told())


@pytest.mark.parametrize(
    ("row", "event"), [(row, event) for row, events in told().items() for event in events]
)
def test_the_event_of_a_row_is_in_its_tests(row: str, event: str) -> None:
    assert f'"{event}"' in shown()[row]
