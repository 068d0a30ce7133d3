"""What is kept of images that were built, and when they count as built."""

import os
from pathlib import Path

import pytest

from e2e.cluster import dockerfiles, once, paths


@pytest.fixture(autouse=True)
def empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "CACHE", tmp_path)
    monkeypatch.setattr(paths, "SOFTWARE", tmp_path / "software")


def kept(name: str, age: int) -> Path:
    folder = paths.CACHE / name
    folder.mkdir()
    os.utime(folder, (10_000 - age, 10_000 - age))
    return folder


def test_a_tag_of_its_own_is_another_build() -> None:
    tag = dockerfiles.default_tag()
    assert dockerfiles._folder(f"{tag}-2") != dockerfiles._folder(tag)


def test_images_are_missing_until_they_are_built_from_these_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[Path] = []
    monkeypatch.setattr(dockerfiles, "ensure_packages", lambda: None)
    monkeypatch.setattr(dockerfiles, "install_missing", lambda _: None)
    monkeypatch.setattr(
        dockerfiles, "_build", lambda target, _: (begun.append(target), target.mkdir())
    )

    assert dockerfiles.missing()
    target = dockerfiles.built(dockerfiles.default_tag())
    assert not dockerfiles.missing()
    assert dockerfiles.built(dockerfiles.default_tag()) == target
    assert begun == [target]


def test_a_build_that_was_cut_off_leaves_nothing_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder appears whole or not at all: what fails on the way is built again."""

    def fails(_work: Path, _name: str, archive: Path) -> None:
        raise OSError(archive)

    monkeypatch.setattr(dockerfiles, "_wheels", lambda: paths.CACHE)
    monkeypatch.setattr(dockerfiles, "_base", lambda: paths.CACHE)
    monkeypatch.setattr(dockerfiles, "_image_of_files", fails)
    target = dockerfiles._folder("0.1.0-built")
    with pytest.raises(OSError, match=str(paths.CACHE)):
        dockerfiles._build(target, "0.1.0-built")
    assert not list(paths.CACHE.glob("image*"))


def test_the_last_images_are_kept_and_what_the_dead_left_is_removed() -> None:
    oldest, old, recent, last = (kept(f"images-{n}", age) for n, age in enumerate((9, 5, 2, 1)))
    dead, ours = kept("image-build-999999999", 1), kept(f"image-build-{os.getpid()}", 1)
    with once.alone("images", "images"):
        dockerfiles._forget()
    assert {oldest.exists(), old.exists(), dead.exists()} == {False}
    assert {recent.exists(), last.exists(), ours.exists()} == {True}
