"""Which of these tests run in one process, where there is more than one.

Folders keep together what they start. All that shares the API server stays in one process, since its
definitions are one set.
"""

from pathlib import PurePosixPath
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

HERE: Final = PurePosixPath("tests/integration")
BUILT_LATE: Final = "llama"
"""Needs a program whose build gives way to everything else."""
ON_THE_CLUSTER: Final = {"api", "chart", "console", "explain", "kubernetes", "plugin"}


class ByFolder(LoadScopeScheduling):
    """Deals out whole folders, and what shares the API server as one."""

    def _split_scope(self, nodeid: str) -> str:
        return group(PurePosixPath(nodeid.partition("::")[0]))


def group(file: PurePosixPath) -> str:
    """Return what keeps a file's tests together; relative to the repository."""
    if not file.is_relative_to(HERE):
        return str(file.parent)
    folder = file.relative_to(HERE).parts[0]
    return "cluster" if folder in ON_THE_CLUSTER else folder


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave for the end what waits for a build."""
    items.sort(key=lambda item: group(PurePosixPath(item.nodeid.partition("::")[0])) == BUILT_LATE)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder:
    """Deal out tests by folder, whatever `--dist` says."""
    return ByFolder(config, log)
