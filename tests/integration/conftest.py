"""Which of these tests run in one process, where there is more than one.

Folders keep together what they start. All that shares the API server stays in one process, since its
definitions are one set.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
ON_THE_CLUSTER = {"api", "chart", "console", "explain", "kubernetes", "plugin"}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name the group of each test, for `--dist loadgroup`."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(Path(item.path))))


def _group(file: Path) -> str:
    if HERE not in file.parents:
        return str(file.parent)
    folder = file.relative_to(HERE).parts[0]
    return "cluster" if folder in ON_THE_CLUSTER else folder
