"""What a person must fix is one sentence that says how."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import build, cli, packages, paths, software
from e2e.cluster.errors import ClusterError


def test_without_root_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert cli.main(["up"]) == 1
    assert "sudo" in capsys.readouterr().err


def test_without_apt_it_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)

    with pytest.raises(ClusterError, match="containerd, .*runc.*install them"):
        packages.install_missing(packages._missing())


def test_too_little_disk_is_said_before_the_build(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    full: Any = type("Usage", (), {"free": 1 << 30})
    monkeypatch.setattr(build, "binaries", lambda: tmp_path / "not-built")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)

    with pytest.raises(ClusterError, match=r"6 GiB .* 1\.0 GiB are free: make room"):
        build.ensure_built()


def test_a_tree_without_the_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1"\n')

    with pytest.raises(ClusterError, match="is this a whole checkout"):
        software.package(tmp_path)


def test_requirement_files_name_no_host() -> None:
    for path in paths.HERE.glob("requirements-*.txt"):
        text = path.read_text()

        assert "://" not in text, path
        assert "--hash=sha256:" in text, path
