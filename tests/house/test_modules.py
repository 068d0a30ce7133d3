"""Modules are small, and named by what they hold."""

import pytest

from tests.house.repository import files, text

LONGEST = 400
"""Lines. What reads badly elsewhere sits in files of more than twice this; aim at half."""

VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "base", "misc"}

MODULES = [path for path in files() if path.suffix in {".py", ".lua", ".go"}]


def test_there_are_modules() -> None:
    assert len(MODULES) > 50


def test_no_module_is_longer_than_the_limit() -> None:
    lengths = {str(path): text(path).count("\n") for path in MODULES}

    assert {path: lines for path, lines in lengths.items() if lines > LONGEST} == {}


@pytest.mark.parametrize("word", sorted(VAGUE))
def test_no_module_or_folder_has_a_name_that_says_nothing(word: str) -> None:
    assert [str(path) for path in MODULES if word in {*path.parts[:-1], path.stem}] == []
