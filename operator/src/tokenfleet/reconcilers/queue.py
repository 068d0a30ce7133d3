"""The work queue: which keys wait for a visit, with client-go's guarantees.

- A key that waits is not added twice.
- A key that is being visited is never handed out at the same time; if it is added meanwhile it
  waits again as soon as the visit is done. So no change is lost and no key runs in parallel.
- A delayed add keeps the earliest due time. A failed key comes back with a growing delay of its
  own until `forget`.

Terms and guarantees follow client-go's `util/workqueue`. One event loop, no threads.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Mapping
from typing import Final, Generic, Protocol, TypeVar

Key = TypeVar("Key")
Told_contra = TypeVar("Told_contra", contravariant=True)

FIRST_BACKOFF: Final = 0.05
"""Seconds until the first retry: a write conflict is usually over by then. client-go's 5 ms costs
several calls for each conflict, because the watch needs about 20 ms to bring the newer copy."""

LONGEST_BACKOFF: Final = 60.0
"""Seconds. client-go waits up to 1000 s; a person who mends a cause should not wait that long."""


class Listener(Protocol[Told_contra]):
    """Hears what happens to keys; times in seconds."""

    def added(self, key: Told_contra) -> None:
        """A key began to wait."""
        ...

    def retried(self, key: Told_contra) -> None:
        """A visit failed and will be tried again."""
        ...

    def taken(self, key: Told_contra, waited: float) -> None:
        """A visit began."""
        ...

    def finished(self, key: Told_contra, worked: float) -> None:
        """A visit ended."""
        ...


class Queue(Generic[Key]):
    """Keys that wait, keys that are being visited, keys that are due later."""

    def __init__(
        self,
        *,
        first: float = FIRST_BACKOFF,
        longest: float = LONGEST_BACKOFF,
        listener: Listener[Key] | None = None,
    ) -> None:
        """Start empty; `first` and `longest` bound the delay of a failing key, in seconds."""
        self._listener = listener
        self._waiting_since: dict[Key, float] = {}
        self._busy_since: dict[Key, float] = {}
        self._first, self._longest = first, longest
        self._ready: asyncio.Queue[Key | None] = asyncio.Queue()
        self._dirty: set[Key] = set()
        self._busy: set[Key] = set()
        self._later: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._order = itertools.count()
        self._wake = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        """Count the keys that wait now."""
        return len(self._dirty)

    @property
    def busy(self) -> int:
        """Keys that are being visited now."""
        return len(self._busy)

    def waiting(self) -> tuple[Key, ...]:
        """Return the keys that wait now."""
        return tuple(self._dirty)

    def running(self) -> Mapping[Key, float]:
        """Return the keys that are being visited, and for how many seconds."""
        now = time.monotonic()
        return {key: now - since for key, since in self._busy_since.items()}

    @property
    def closed(self) -> bool:
        """Tell whether the queue has been shut down."""
        return self._closed

    def add(self, key: Key) -> None:
        """Ask for a visit as soon as possible; idempotent."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        self._waiting_since[key] = time.monotonic()
        if self._listener is not None:
            self._listener.added(key)
        if key not in self._busy:
            self._ready.put_nowait(key)

    def add_after(self, key: Key, delay: float) -> None:
        """Ask for a visit in `delay` seconds, or earlier where that was already asked for."""
        due = asyncio.get_running_loop().time() + delay
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            heapq.heappush(self._later, (due, next(self._order), key))
            self._wake.set()

    def retry(self, key: Key, *, at_least: float = 0.0) -> float:
        """Ask for another visit after a failure; return the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        if self._listener is not None:
            self._listener.retried(key)
        # The exponent is bounded because 2.0**1024 overflows a float.
        delay = max(at_least, min(self._first * 2.0 ** min(failures, 64), self._longest))
        self.add_after(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """Say that a visit succeeded: the next failure starts with the first delay."""
        self._failures.pop(key, None)

    async def get(self) -> Key | None:
        """Wait for a key and take it; `done` must follow. None: shut down, no more keys."""
        key = await self._ready.get() if not self._closed else None
        if key is None or self._closed:
            self._ready.put_nowait(None)  # wakes the next waiter
            return None
        self._dirty.discard(key)
        self._busy.add(key)
        now = self._busy_since[key] = time.monotonic()
        waited = now - self._waiting_since.pop(key, now)
        if self._listener is not None:
            self._listener.taken(key, waited)
        return key

    def done(self, key: Key) -> None:
        """Give the key back; it waits again if it was added during the visit."""
        self._busy.discard(key)
        now = time.monotonic()
        worked = now - self._busy_since.pop(key, now)
        if self._listener is not None:
            self._listener.finished(key, worked)
        if key in self._dirty:
            self._ready.put_nowait(key)

    def shut_down(self) -> None:
        """Hand out no more keys; visits under way go on, and what waits is left to a successor."""
        self._closed = True
        self._ready.put_nowait(None)

    async def run_timer(self) -> None:
        """Move keys that have become due; runs until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            while self._later and self._later[0][0] <= loop.time():
                due, _, key = heapq.heappop(self._later)
                if self._due.get(key) == due:
                    del self._due[key]
                    self.add(key)
            pause = self._later[0][0] - loop.time() if self._later else None
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue
