"""Places in an engine: so many requests at a time, in their order, and the KV cache they hold.

A request holds the blocks of its whole prompt and answer from its start, where vLLM takes them one
by one and preempts a request when none is left.
"""

from __future__ import annotations

import asyncio
from collections import deque

from e2e.simulator.metrics import Metrics


class Places:
    """Admits requests first come, first served."""

    def __init__(self, metrics: Metrics, *, limit: int, blocks: int) -> None:
        """Have `limit` places, and `blocks` blocks of KV cache."""
        self._metrics, self._limit, self._blocks = metrics, limit, blocks
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._running = self._held = 0

    @property
    def running(self) -> int:
        """Requests being worked on."""
        return self._running

    def limit_to(self, limit: int) -> None:
        """Have so many places from now on; who runs is left alone."""
        self._limit = limit
        self._admit()

    async def enter(self, blocks: int) -> None:
        """Wait for a place and for blocks; give both back by `leave`."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, blocks))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove((turn, blocks))
                self._admit()
            else:
                self.leave(blocks)
            raise

    def leave(self, blocks: int) -> None:
        """Give a place and its blocks back."""
        self._running -= 1
        self._held -= blocks
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][1]):
            turn, blocks = self._waiting.popleft()
            self._running += 1
            self._held += blocks
            turn.set_result(None)
        self._metrics.running.set(self._running)
        self._metrics.waiting.set(len(self._waiting))
        self._metrics.cache_usage.set(min(1.0, self._held / self._blocks))

    def _fits(self, blocks: int) -> bool:
        free = self._blocks - self._held
        # Alone, a request is served however long it is: the engine would have refused it before.
        return self._running < self._limit and (blocks <= free or not self._running)
