"""Visits: take a key from the queue, observe, plan, apply; safe at any time, any number of times.

One visitor per kind does the observing and planning; what all of them share is here: order of
writes, refusals, events, requeueing and the accounting of results.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from tokenfleet.domain.fleet.conditions import with_refusals
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.notes import transition_notes
from tokenfleet.domain.fleet.plan import Plan
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.ports import (
    Body,
    Clock,
    ConflictError,
    NotFoundError,
    PortError,
    RefusedError,
)
from tokenfleet.reconcilers.applier import Applier, NotLeaderError
from tokenfleet.reconcilers.events import Recorder
from tokenfleet.reconcilers.queue import Queue
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.telemetry import Telemetry

WORKERS: Final = 16
"""Visits under way at once. They wait for the API server most of the time; one worker would be the
bottleneck, and priority and fairness on the server is the limit that matters."""

REFUSED_RETRY: Final = timedelta(seconds=30)
"""A refused body is refused again until somebody changes something that no event may tell us of
(a quota, an admission policy)."""

log = logging.getLogger(__name__)


class Visitor(Protocol):
    """Knows how to look at one kind of object, and what to ask for."""

    async def plan(self, owner: Body) -> Plan:
        """Observe the world around an object and plan."""
        ...

    async def applied(self, owner: Body, plan: Plan) -> None:
        """The plan has been carried out."""
        ...

    async def gone(self, key: ObjectKey) -> None:
        """The object does not exist any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """Runs visitors over the queue."""

    queue: Queue[ObjectKey]
    store: Store
    visitors: Mapping[str, Visitor]
    """One for each visited kind."""
    applier: Applier
    recorder: Recorder
    clock: Clock
    telemetry: Telemetry

    async def work(self) -> None:
        """Visit keys until the queue is shut down."""
        loop = asyncio.get_running_loop()
        while (key := await self.queue.get()) is not None:
            started = loop.time()
            try:
                result = await self._guarded(key)
            finally:
                self.queue.done(key)
            self.telemetry.visited(key.kind.lower(), result, loop.time() - started)

    async def visit(self, key: ObjectKey) -> timedelta | None:
        """Move one object a step towards its spec; return when to look again."""
        owner = self.store.get(key)
        visitor = self.visitors[key.kind]
        if owner is None:
            self.applier.forget(key)
            await visitor.gone(key)
            return None
        if owner["metadata"].get("deletionTimestamp"):
            return None  # Owner references collect the children.
        plan = await visitor.plan(owner)
        again = await self._carry_out(owner, plan)
        await visitor.applied(owner, plan)
        return again

    async def _carry_out(self, owner: Body, plan: Plan) -> timedelta | None:
        problems = []
        notes = plan.events
        if plan.replace is not None:
            try:
                await self.applier.replace(plan.replace, owner=owner)
            except RefusedError as error:
                problems.append(_refused(str(error)))
                notes = ()  # What they tell of has not happened.
        refusals = await self.applier.apply_children(plan, owner=owner)
        problems += [_refused(f"{refusal.child}: {refusal.message}") for refusal in refusals]
        status = plan.status
        if problems and status is not None:
            generation = owner["metadata"].get("generation", 0)
            now = self.clock.now()
            status = with_refusals(
                status, problems, previous=owner.get("status", {}), generation=generation, now=now
            )
        if await self.applier.write_status(owner, status) and status is not None:
            for note in transition_notes(owner.get("status", {}), status):
                await self.recorder.tell(owner, note)
        for note in notes:
            about = self.store.get(note.about) if note.about is not None else owner
            if about is not None:
                log.info("%s: %s: %s", key_of(about), note.reason, note.note)
                await self.recorder.tell(about, note)
        return REFUSED_RETRY if problems else plan.requeue_after

    async def _guarded(self, key: ObjectKey) -> str:
        """Visit, and turn every failure into a retry of this key alone."""
        try:
            again = await self.visit(key)
        except NotLeaderError as error:
            log.warning("%s: %s", key, error)
            self.queue.retry(key)
            return "error"
        except (ConflictError, NotFoundError) as error:
            log.debug("%s: %s", key, error)
            self.queue.retry(key)
            return "conflict"
        except PortError as error:
            delay = error.retry_after.total_seconds() if error.retry_after else 0.0
            delay = self.queue.retry(key, at_least=delay)
            log.warning("%s: %s; again in %.2f s", key, error, delay)
            return "error"
        except Exception:
            # A defect in one object's plan must not stop the visits of all others.
            delay = self.queue.retry(key)
            log.exception("%s: visit failed; again in %.2f s", key, delay)
            return "error"
        self.queue.forget(key)
        if again is not None:
            self.queue.add_after(key, again.total_seconds())
            return "requeue_after"
        return "success"


def _refused(message: str) -> Problem:
    return Problem(condition="Accepted", reason="ChildRefused", message=message)
