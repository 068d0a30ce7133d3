"""What the agent keeps in the folder it shares with Envoy."""

from pathlib import Path

import pytest

from tokenfleet.agent.files import LAST_GOOD, Folder, LastGood

LAST = LastGood(
    data={"config": "{}", "memory": "{}"},
    endpoints={"large": (("10.0.0.1", 8000),), "small": ()},
    generation=7,
)


def test_what_was_published_last_is_recalled(tmp_path: Path) -> None:
    Folder(tmp_path).remember(LAST)

    assert Folder(tmp_path).recall() == LAST


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"data": {}, "endpoints": {"a": 1}, "generation": 1}']
)
def test_what_cannot_be_read_is_as_good_as_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / LAST_GOOD).write_text(text)

    assert Folder(tmp_path).recall() is None


def test_a_file_is_replaced_and_never_half_written(tmp_path: Path) -> None:
    """A reader that has the old file open keeps the old file: the new one is another inode."""
    folder = Folder(tmp_path)
    folder.write("rds.json", "old")
    before = (tmp_path / "rds.json").stat().st_ino

    folder.write("rds.json", "new")

    assert (tmp_path / "rds.json").stat().st_ino != before
    assert (tmp_path / "rds.json").read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["rds.json"]
