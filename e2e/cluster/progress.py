"""Lines for the person who waits: what is being waited for, and for how long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from e2e.cluster.errors import ClusterError

STARTED: Final = time.monotonic()
REPORT_EVERY: Final = 5.0
"""Seconds between two lines about the same wait: often enough to see it live, rarely enough to read."""

T = TypeVar("T")


def say(message: str) -> None:
    """Print one line with the seconds since the start, to stderr: stdout is for results."""
    elapsed = time.monotonic() - STARTED
    print(f"[cluster {elapsed:5.1f}s] {message}", file=sys.stderr, flush=True)


@contextmanager
def step(message: str) -> Iterator[None]:
    """Say what begins and, when it took long enough to be noticed, when it ended."""
    say(message)
    began = time.monotonic()
    yield
    if time.monotonic() - began > REPORT_EVERY:
        say(f"{message}: done in {time.monotonic() - began:.0f} s")


def wait_for(
    what: str,
    look: Callable[[], T | None],
    *,
    timeout: float,
    every: float = 0.1,
    why: Callable[[], str] = lambda: "",
) -> T:
    """Call `look` until it returns something true and return that.

    Args:
        what: What is being waited for, as it reads after "waiting for".
        look: Returns a false value for "not yet"; may raise ClusterError to give up at once.
        timeout: Seconds after which to give up.
        every: Seconds between two looks.
        why: Says what is in the way; asked only when something is to be told.

    Raises:
        ClusterError: It did not happen in time.
    """
    began = time.monotonic()
    reported = began
    while True:
        found = look()
        if found:
            return found
        now = time.monotonic()
        if now - began > timeout:
            raise ClusterError(f"waited {timeout:.0f} s for {what}, in vain{_reason(why)}")
        if now - reported > REPORT_EVERY:
            say(f"waiting for {what} ({now - began:.0f} of at most {timeout:.0f} s){_reason(why)}")
            reported = now
        time.sleep(every)


def _reason(why: Callable[[], str]) -> str:
    reason = why()
    return f": {reason}" if reason else ""
