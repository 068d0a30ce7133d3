"""Builds that are made once, on a machine that has built nothing yet."""

import threading
import time
from pathlib import Path

import pytest

from e2e.cluster import once, paths

LONGEST = 60.0
"""Seconds for a process to start and to write, on a machine that does much else."""


@pytest.fixture(autouse=True)
def empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    cache = tmp_path / "home" / "cache"
    monkeypatch.setattr(paths, "CACHE", cache)
    monkeypatch.setattr(paths, "SOFTWARE", cache / "software")
    return cache


def test_a_build_begins_ahead_where_nothing_was_ever_cached(empty_home: Path) -> None:
    once.begin("zen", "this", niceness=19)

    end = time.monotonic() + LONGEST
    while "Namespaces" not in (empty_home / "zen.log").read_text() and time.monotonic() < end:
        time.sleep(0.1)
    assert "Namespaces" in (empty_home / "zen.log").read_text()


def test_who_has_to_wait_is_told_what_for_and_then_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done: list[str] = []

    def second() -> None:
        with once.alone("zen", "the Zen"):
            done.append("second")

    waiter = threading.Thread(target=second)
    with once.alone("zen", "the Zen"):
        waiter.start()
        end, told = time.monotonic() + LONGEST, ""
        while "waiting" not in told and time.monotonic() < end:
            time.sleep(0.05)
            told += "".join(capsys.readouterr())
        done.append("first")
    waiter.join(LONGEST)

    assert "waiting for the build of the Zen" in told
    assert done == ["first", "second"]
