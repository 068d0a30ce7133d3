"""Builds that are made once, on a machine that has built nothing yet."""

import os
import signal
import subprocess
import sys
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


SHARED_AMONG_SESSIONS = Path("/proc/self/autogroup")
HOLDS = """
import pathlib, sys
from e2e.cluster import once
own = pathlib.Path("/proc/self/autogroup")
own.write_text(sys.argv[1])
with once.alone("zen", "the Zen"):
    print("begun", flush=True)
    sys.stdin.readline()
print(own.read_text().split()[-1], flush=True)
"""
"""Builds, in a session of its own and with a niceness, until it is told that it is done."""


def niceness(process: int | str) -> int:
    return int(Path(f"/proc/{process}/autogroup").read_text().split()[-1])


@pytest.mark.skipif(not SHARED_AMONG_SESSIONS.exists(), reason="sessions are not told apart here")
def test_who_waits_lends_its_right_to_the_processors(empty_home: Path) -> None:
    def begun(own: int) -> subprocess.Popen[str]:
        cache = {"XDG_CACHE_HOME": str(empty_home)}
        return subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(own)],
            cwd=paths.REPOSITORY, env={**os.environ, **cache}, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    with begun(17) as builder:
        assert builder.stdout.readline() == "begun\n"
        with begun(3) as waiter:
            end = time.monotonic() + LONGEST
            while niceness(builder.pid) != 3 and time.monotonic() < end:
                time.sleep(0.05)
            lent = niceness(builder.pid)
            after = [process.communicate("\n", LONGEST)[0] for process in (builder, waiter)]

    assert lent == 3
    assert after == ["17\n", "begun\n3\n"]


@pytest.mark.skipif(not SHARED_AMONG_SESSIONS.exists(), reason="sessions are not told apart here")
def test_what_builds_ahead_gives_way_to_other_sessions_too() -> None:
    number = once.begin("waits", "http.server", "0", "--bind", "127.0.0.1", niceness=17)
    try:
        assert niceness(number) == 17
    finally:
        os.kill(number, signal.SIGTERM)


def test_who_waits_hears_how_far_a_build_begun_ahead_is(
    empty_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "REPORT_EVERY", 0.01)

    def second() -> None:
        with once.alone("zen", "the Zen"):
            pass

    waiter = threading.Thread(target=second)
    with once.alone("zen", "the Zen"):
        (empty_home / "zen.log").write_text("first\n[cluster  12.3s] half of it is built\n")
        waiter.start()
        end, told = time.monotonic() + LONGEST, ""
        while "half of it" not in told and time.monotonic() < end:
            time.sleep(0.05)
            told += "".join(capsys.readouterr())
    waiter.join(LONGEST)

    assert told.splitlines()[-1].endswith("s]   half of it is built")


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

    assert "waiting for the Zen" in told
    assert done == ["first", "second"]
