"""What containers of a cluster share: installed beside the build that takes longest."""

from pathlib import Path

import pytest

from e2e.cluster import build, images, lifecycle, module, once, paths, software


@pytest.fixture(autouse=True)
def empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "CACHE", tmp_path)
    monkeypatch.setattr(paths, "SOFTWARE", tmp_path / "software")


def installed(name: str, requirements: Path) -> None:
    complete = software._complete(software._folder(name, requirements))
    complete.parent.mkdir(parents=True)
    complete.touch()


def test_a_cluster_without_vllm_is_prepared_without_it() -> None:
    assert images.unprepared(with_vllm=False)
    for each in (software._OPERATOR, software._ENVOY):
        installed(*each)
    assert images.unprepared(with_vllm=False), "the router's module is not built"
    library = module._folder(paths.REPOSITORY) / module.LIBRARY
    library.parent.mkdir(parents=True)
    library.touch()

    assert not images.unprepared(with_vllm=False)
    assert images.unprepared()
    installed(*software._VLLM)
    assert not images.unprepared()


class ReachedError(Exception):
    """The build of Kubernetes would begin."""


@pytest.mark.parametrize("with_vllm", [True, False])
@pytest.mark.parametrize(("built", "prepared"), [(False, False), (False, True), (True, False)])
def test_the_first_start_installs_beside_the_build(
    monkeypatch: pytest.MonkeyPatch, *, with_vllm: bool, built: bool, prepared: bool
) -> None:
    begun: list[tuple[str, ...]] = []

    def reached() -> None:
        raise ReachedError

    monkeypatch.setattr(lifecycle, "ensure_packages", lambda: None)
    monkeypatch.setattr(lifecycle, "ensure_built", reached)
    monkeypatch.setattr(build, "missing", lambda: not built)
    monkeypatch.setattr(images, "unprepared", lambda **_: not prepared)
    monkeypatch.setattr(once, "begin", lambda *command, niceness: begun.append(command))
    with pytest.raises(ReachedError):
        lifecycle._boot(with_vllm=with_vllm)

    command = ("install", "e2e.cluster", "install", *(() if with_vllm else ("--no-vllm",)))
    assert begun == ([] if built or prepared else [command])
