"""The tree has the shape that the architecture page draws."""

import operator
import sys
from pathlib import Path

from tests.house.repository import ROOT, files

TOP = {
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "Makefile",
    "operator",
    "crds",
    "charts",
    "router-image",
    "tests",
    "e2e",
}


def test_the_top_level_holds_what_a_newcomer_expects() -> None:
    found = {path.parts[0] for path in files()}

    assert {name for name in found if not name.startswith(".")} <= TOP


def test_the_folder_operator_does_not_hide_the_standard_library() -> None:
    """With an `__init__.py` there, the root of the repository on sys.path breaks `collections`."""
    assert Path("operator/__init__.py") not in files()
    assert Path(str(operator.__file__)).is_relative_to(sys.base_prefix)
    assert operator.eq(1, 1)


def test_every_package_says_what_it_holds() -> None:
    packages = [path for path in files() if path.name == "__init__.py" and "src" in path.parts]

    assert packages
    assert [str(p) for p in packages if not (ROOT / p).read_text().startswith('"""')] == []


def test_packages_are_whole() -> None:
    """A folder of modules without `__init__.py` is left out of the wheel's package."""
    source = Path("operator/src/tokenfleet")
    folders = {path.parent for path in files() if path.suffix == ".py" and source in path.parents}

    assert {str(folder) for folder in folders if folder / "__init__.py" not in files()} == set()
