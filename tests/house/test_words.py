"""Words that have no place in this tree."""

import re

from tests.house.repository import ROOT, files, text

# Home folders and checkouts of developers' machines, other than those of images and examples.
PATHS = re.compile(
    rf"(?<![\w.~/-])(/root/|/home/(?!nonroot\b)\w|/Users/\w|{re.escape(str(ROOT))}/)"
)


def test_no_absolute_path_of_somebodys_machine() -> None:
    found = [
        (str(path), line)
        for path in files()
        if path.name != "test_words.py"
        for line in text(path).splitlines()
        if PATHS.search(line)
    ]

    assert found == []


def test_text_files_end_with_one_newline() -> None:
    wrong = [
        str(path)
        for path in files()
        if text(path) and (not text(path).endswith("\n") or text(path).endswith("\n\n"))
    ]

    assert wrong == []
