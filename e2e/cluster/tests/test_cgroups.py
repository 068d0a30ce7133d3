"""The pods' control groups go, also while the kubelet removes some of them itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from e2e.cluster import cgroups, paths


def test_a_group_that_goes_while_it_is_read_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    top = tmp_path / paths.CGROUP
    gone = top / "kubepods" / "pod-a"
    (gone / "container").mkdir(parents=True)
    (top / "kubepods" / "pod-b").mkdir()
    read = os.scandir

    def racing(path: str) -> object:
        if Path(path) == gone and gone.exists():
            (gone / "container").rmdir()
            gone.rmdir()
        return read(path)

    monkeypatch.setattr(os, "scandir", racing)

    cgroups.remove()

    assert not top.exists()
