"""The life of a leading operator: start the loops, feed them by Kopf, drain them at the end.

    acquire the Lease -> wait for the kinds to be served -> Kopf watches -> first LIST (barrier)
      -> workers visit ... SIGTERM -> no new visits -> running ones end -> Lease released

Kopf cancels every task that was created after it started, ours included; therefore they are ended
in its cleanup activity, which runs before that. A loop of ours that ends by itself, and a lost
Lease, end the process: a restart is the one recovery that is tested all the time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, cast

import kopf

from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.handlers.election import Elector
from tokenfleet.handlers.settings import NoMemories, configure
from tokenfleet.handlers.watches import Watches
from tokenfleet.ports import Resource
from tokenfleet.reconcilers.optional_kinds import OptionalKinds
from tokenfleet.reconcilers.queue import Queue
from tokenfleet.reconcilers.resources import OPTIONAL
from tokenfleet.reconcilers.resync import Resync
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.visits import WORKERS, Visits

DRAIN: Final = 10.0
"""Seconds that visits under way have to end after SIGTERM. One visit is a few API calls; the pod's
grace period is 30 s."""

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Shell:
    """Everything that runs while this process leads."""

    store: Store
    queue: Queue[ObjectKey]
    visits: Visits
    resync: Resync
    elector: Elector
    loops: Mapping[str, Callable[[], Awaitable[None]]]
    """Further endless loops by name, started once the store is full."""
    watched: Mapping[Resource, str]
    """Kinds that are served when it starts, and their label selectors."""
    optional: OptionalKinds
    """Kinds that may come and go."""
    namespaces: tuple[str, ...]
    """Watched namespaces; empty means all."""
    failed: str = ""
    """Why the process must end with an error; empty on an orderly end."""
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    _workers: list[asyncio.Task[Any]] = field(default_factory=list)

    async def run(self) -> None:
        """Lead until SIGTERM, a lost Lease or a failed loop."""
        watches = Watches(self.store, self.watched)
        registry = watches.registry
        self.loops = {**self.loops, "watches": partial(watches.follow, self.optional)}
        kopf.on.startup(registry=registry, id="start")(self._start)
        kopf.on.cleanup(registry=registry, id="drain")(self._drain)
        try:
            await kopf.operator(
                registry=registry,
                insights=watches.insights,
                clusterwide=not self.namespaces,
                namespaces=self.namespaces,
                standalone=True,
                # Peering is off; but without one Kopf asks for the user's name, and user 65532
                # of the image has none.
                identity=cast("Any", "tokenfleet"),
                memories=NoMemories(),
                stop_flag=self._stop,
            )
        except Exception as error:
            log.exception("the watches ended")
            self.failed = self.failed or f"the watches ended: {error}"

    async def _start(self, settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings, {**self.watched, **OPTIONAL})
        self._spawn("queue timer", self.queue.run_timer())
        self._spawn("resync", self.resync.run())
        self._spawn("lease", self.elector.hold())
        self._spawn("start barrier", self._start_visits())

    async def _start_visits(self) -> None:
        await self.resync.synced.wait()
        for number in range(WORKERS):
            task = asyncio.create_task(self.visits.work(), name=f"worker {number}")
            task.add_done_callback(self._ended)
            self._workers.append(task)
        for name, loop in self.loops.items():
            self._spawn(name, loop())
        await asyncio.Event().wait()

    def _spawn(self, name: str, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        task = asyncio.create_task(run(), name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Stop everything when a loop ends that should not have."""
        if task.cancelled() or self._stop.is_set() or self.queue.closed:
            return
        error = task.exception()
        self.failed = f"{task.get_name()} ended" + (f": {error!r}" if error else "")
        log.error("%s; stopping", self.failed)
        self._stop.set()

    async def _drain(self, **_: Any) -> None:
        self.queue.shut_down()
        if self._workers:
            _ended, late = await asyncio.wait(self._workers, timeout=DRAIN)
            if late:
                log.warning("%d visits did not end within %.0f s", len(late), DRAIN)
        tasks = [*self._tasks, *self._workers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.elector.release()
