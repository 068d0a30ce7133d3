"""Test processes that share a cluster do not get in each other's way."""

import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from e2e.kit.kubectl import Cluster
from e2e.kit.locks import held, in_common

SOON = 0.2
"""Seconds in which a thread that waits for nothing gets where it wants to be."""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Cluster(kubeconfig=tmp_path / "kubeconfig", kubectl="kubectl", helm="helm")


def test_the_first_user_makes_a_thing_and_the_last_one_removes_it(cluster: Cluster) -> None:
    seen: list[str] = []

    def user() -> ExitStack:
        stack = ExitStack()
        stack.enter_context(
            in_common(
                cluster,
                "thing",
                make=lambda: seen.append("made"),
                remove=lambda: seen.append("removed"),
            )
        )
        return stack

    first, second = user(), user()
    assert seen == ["made"]
    first.close()
    assert seen == ["made"]
    second.close()
    assert seen == ["made", "removed"]
    user().close()
    assert seen == ["made", "removed", "made", "removed"]


def test_what_wants_to_be_alone_waits_for_what_runs_beside_others(cluster: Cluster) -> None:
    alone = threading.Event()

    def want() -> None:
        with held(cluster, "stories", alone=True):
            alone.set()

    waiting = threading.Thread(target=want)
    with held(cluster, "stories", alone=False), held(cluster, "stories", alone=False):
        waiting.start()
        assert not alone.wait(SOON)
    waiting.join()
    assert alone.is_set()


def test_clusters_have_locks_of_their_own(cluster: Cluster, tmp_path: Path) -> None:
    other = Cluster(kubeconfig=tmp_path / "other", kubectl="kubectl", helm="helm")

    with held(cluster, "stories", alone=True), held(other, "stories", alone=True):
        pass
