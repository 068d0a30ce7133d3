"""Visits: take a key from the queue, observe, plan, apply; safe at any time, any number of times.

One visitor per kind does the observing and planning; what all of them share is here: order of
writes, failures, events, requeueing and the accounting of results.

    mark -> replace -> children -> Event of Ready -> status -> Events of decisions
        -> the visitor's own accounts -> what failed is raised

Every write is tried, whatever happened to the others. Status, Events, views and counters follow
what is stored: where `replace` failed, the visitor plans again without it, and where nobody can say
what became of it, all of them wait for the next visit.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tokenfleet.api.conditions import ACCEPTED, PROGRESSING, READY
from tokenfleet.domain.fleet.conditions import with_failures
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.notes import Words, contest_note, stored_words, transition_notes, words
from tokenfleet.domain.fleet.operators import marked, uncontended, unmarked
from tokenfleet.domain.fleet.plan import EventNote, Plan
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.ports import (
    Body,
    Clock,
    ConflictError,
    NotFoundError,
    PortError,
    RefusedError,
)
from tokenfleet.reconcilers.applier import Applier, Failure, NotLeaderError, UnsettledError
from tokenfleet.reconcilers.contests import ContestedError
from tokenfleet.reconcilers.events import Recorder
from tokenfleet.reconcilers.marks import LOOK_AGAIN, Marks
from tokenfleet.reconcilers.queue import Queue
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.telemetry import Telemetry

WORKERS: Final = 16
"""Visits under way at once. They wait for the API server most of the time; one worker would be the
bottleneck, and priority and fairness on the server is the limit that matters."""

TOLD_AT_ONCE: Final = 16
"""Notes that one visit tells: each is a call, and a router may have hundreds at once. What is told
is remembered when the visit ends, so one that is cut short must not have been telling for long."""

LONGEST_VISIT: Final = 90.0
"""Seconds. Longer than the few calls of a visit take against a slow API server, each within its
30 s; what hangs for longer gives its worker back, and is tried again."""

REFUSED_RETRY: Final = timedelta(seconds=30)
"""A refused body is refused again until somebody changes something that no event may tell us of
(a quota, an admission policy)."""

FAILING_PATIENCE: Final = timedelta(seconds=30)
"""How long children may fail before the object's status says so: most failures are over sooner."""

log = logging.getLogger(__name__)


class Visitor(Protocol):
    """Knows how to look at one kind of object, and what to ask for."""

    async def plan(self, owner: Body) -> Plan:
        """Observe the world around an object and plan."""
        ...

    async def applied(self, owner: Body, plan: Plan, done: "Done") -> None:
        """What the plan says about the world is true; `done` is what else succeeded."""
        ...

    async def gone(self, key: ObjectKey) -> None:
        """The object does not exist any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of a plan, apart from its `replace`."""

    status: bool
    """The status is stored as planned."""
    told: frozenset[str]
    """Identifiers of the notes that were told."""


@dataclass(slots=True)
class _Attempt:
    """What one visit has come to so far."""

    errors: list[PortError] = field(default_factory=list)
    refused: bool = False
    """Something would be refused again."""
    problems: list[Problem] = field(default_factory=list)
    """Children that are refused, contested or fail for long, for the object's conditions."""
    contests: list[str] = field(default_factory=list)
    """What has happened in contests about children."""
    again: timedelta | None = None
    """When a contested child is due, or another operator is to be looked for."""
    contender: str = ""
    """Another operator that watches the object too."""

    def look_again(self, after: timedelta | None) -> None:
        self.again = min(filter(None, (self.again, after)), default=None)

    def failed(self, error: PortError) -> None:
        self.errors.append(error)

    def children(self, failures: Sequence[Failure], *, lasting: bool) -> None:
        for failure in failures:
            if isinstance(failure.error, ContestedError):
                self.look_again(failure.error.retry_after)
                self.contests += [str(failure)] if failure.error.news else []
                self.problems.append(_problem(PROGRESSING, "FieldConflict", failure))
                continue
            if failure.refused:
                self.refused = True
                self.problems.append(_problem(ACCEPTED, "ChildRefused", failure))
                continue
            self.errors.append(failure.error)
            if lasting:
                self.problems.append(_problem(READY, "ChildFailed", failure))


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """Runs visitors over the queue."""

    queue: Queue[ObjectKey]
    store: Store
    visitors: Mapping[str, Visitor]
    """One for each visited kind."""
    applier: Applier
    recorder: Recorder
    marks: Marks
    clock: Clock
    telemetry: Telemetry
    said: dict[ObjectKey, Words] = field(default_factory=dict)
    """What people were told last of the conditions of each object."""
    sees: Callable[[str], bool] = lambda _: True
    """Tells whether a namespace is known whole; objects of the others are left alone."""
    failing: dict[ObjectKey, datetime] = field(default_factory=dict)
    """Since when children of an object cannot be written, for other reasons than refusals."""

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
        """Move one object a step towards its spec; return when to look again.

        Raises:
            PortError: something could not be written, and everything else was tried.
        """
        if not self.sees(key.namespace):
            return None  # Everything in it is visited once it is known.
        owner = self.store.get(key)
        visitor = self.visitors[key.kind]
        if owner is None:
            self.applier.forget(key)
            self.said.pop(key, None)
            self.failing.pop(key, None)
            await visitor.gone(key)
            return None
        if owner["metadata"].get("deletionTimestamp"):
            return None  # Owner references collect the children.
        if not await self.marks.takes(owner):
            return LOOK_AGAIN
        return await self._visited(key)

    async def _visited(self, key: ObjectKey) -> timedelta | None:
        """Move an object of ours a step; results as of `visit`."""
        contender = await self.marks.contender(key)
        owner = self.store.get(key)
        if owner is None:
            return None
        attempt = _Attempt(contender=contender)
        attempt.look_again(LOOK_AGAIN if contender else None)
        owner = uncontended(owner)
        plan = await self.visitors[key.kind].plan(unmarked(owner))
        settled = await self._replace(owner, plan, attempt)
        failures = await self.applier.apply_children(plan, owner=owner)
        attempt.children(failures, lasting=self._lasting(key, failures))
        for text in attempt.contests:
            await self.recorder.tell(owner, contest_note(text))
        if settled is not None:
            await self._conclude(owner, settled, attempt)
        attempt.look_again(REFUSED_RETRY if attempt.refused else (settled or plan).requeue_after)
        again = attempt.again
        if attempt.errors:
            if again is not None:
                self.queue.add_after(key, again.total_seconds())
            raise _together(attempt.errors)
        return again

    async def _conclude(self, owner: Body, settled: Plan, attempt: _Attempt) -> None:
        """Write and tell what is true now, and note it."""
        stored = await self._write_status(owner, settled, attempt)
        now, later = _told_now(settled.events)
        told = await self._tell(owner, now, attempt)
        visitor = self.visitors[key_of(owner).kind]
        await visitor.applied(owner, settled, Done(status=stored, told=told))
        if later and not attempt.errors:
            self.queue.add(key_of(owner))

    def _lasting(self, key: ObjectKey, failures: Sequence[Failure]) -> bool:
        """Tell whether children have been failing for long."""
        if all(failure.refused for failure in failures):
            self.failing.pop(key, None)
            return False
        now = self.clock.now()
        return now - self.failing.setdefault(key, now) >= FAILING_PATIENCE

    async def _replace(self, owner: Body, plan: Plan, attempt: _Attempt) -> Plan | None:
        """Store what the plan replaces; return the plan that is true then, None: nobody knows."""
        if plan.replace is None or plan.unstored is None:
            return plan
        try:
            await self.applier.replace(plan.replace, owner=owner)
        except NotLeaderError:
            raise
        except (ConflictError, NotFoundError, UnsettledError) as error:
            attempt.failed(error)  # The world is another one than the plan's: look again.
            return None
        except RefusedError as error:
            attempt.refused = True
            return plan.unstored(error)
        except PortError as error:
            attempt.failed(error)
            return plan.unstored(error)
        return plan

    async def _write_status(self, owner: Body, plan: Plan, attempt: _Attempt) -> bool:
        """Tell what the status says and write it; return whether it is stored as planned.

        In this order: who tells afterwards may die in between, and whoever comes next finds a
        status with nothing left to tell.
        """
        status = self._wanted_status(owner, plan, attempt)
        self.applier.fence()
        if plan.status is not None:
            await self._say(owner, status, attempt)
        try:
            if not await self.applier.write_status(owner, status) and owner.get("status") != status:
                return False  # The object is gone.
        except NotLeaderError:
            raise
        except PortError as error:
            attempt.failed(error)
            return False
        return plan.status is not None

    def _wanted_status(self, owner: Body, plan: Plan, attempt: _Attempt) -> dict[str, Any]:
        """Return what is planned, or else what is stored, with the marks and the problems."""
        previous = owner.get("status", {})
        generation, now = owner["metadata"].get("generation", 0), self.clock.now()
        status = plan.status if plan.status is not None else unmarked(owner).get("status", {})
        if attempt.problems and plan.status is not None:
            status = with_failures(
                status, attempt.problems, previous=previous, generation=generation, now=now
            )
        return marked(
            status,
            self.marks.me,
            contender=attempt.contender,
            previous=previous,
            generation=generation,
            now=now,
        )

    async def _say(self, owner: Body, status: Mapping[str, Any], attempt: _Attempt) -> None:
        """Tell what changed in the conditions since people were told last."""
        key = key_of(owner)
        before = {**stored_words(owner.get("status", {})), **self.said.get(key, {})}
        for note in transition_notes(before, status):
            if not await self.recorder.tell(owner, note):
                # The status is stored all the same, and is no record of what was told.
                self.said[key] = before
                attempt.failed(PortError(f"event {note.reason} not written"))
                return
        self.said[key] = {**self.said.get(key, {}), **words(status)}

    async def _tell(
        self, owner: Body, notes: Sequence[EventNote], attempt: _Attempt
    ) -> frozenset[str]:
        """Tell what happened; return the identifiers of what need not be told again."""
        done = []
        for note in notes:
            about = self.store.get(note.about) if note.about is not None else owner
            if about is None:
                done.append(note.id)  # There is nobody left to tell.
                continue
            if await self.recorder.tell(about, note):
                log.info("%s: %s: %s", key_of(about), note.reason, note.note)
                done.append(note.id)
            elif note.id:
                attempt.failed(PortError(f"event {note.reason} not written"))
        return frozenset(done)

    async def _bounded(self, key: ObjectKey) -> timedelta | None:
        """Visit within the time that a visit may take.

        Raises:
            PortError: as `visit`; or the time was over.
        """
        deadline = asyncio.timeout(LONGEST_VISIT)
        try:
            async with deadline:
                return await self.visit(key)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            msg = f"the visit was given up after {LONGEST_VISIT:.0f} s"
            raise PortError(msg) from error

    async def _guarded(self, key: ObjectKey) -> str:
        """Visit, and turn every failure into a retry of this key alone."""
        try:
            again = await self._bounded(key)
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


def _told_now(notes: Sequence[EventNote]) -> tuple[list[EventNote], list[EventNote]]:
    """Return the notes to tell in this visit, and those that are remembered for the next one."""
    kept = [note for note in notes if note.id]
    passing = [note for note in notes if not note.id]
    return passing + kept[:TOLD_AT_ONCE], kept[TOLD_AT_ONCE:]


def _problem(condition: str, reason: str, failure: Failure) -> Problem:
    return Problem(condition=condition, reason=reason, message=str(failure))


def _together(errors: Sequence[PortError]) -> PortError:
    """Return one error for all; a conflict only where every one of them is."""
    if len(errors) == 1:
        return errors[0]
    if all(isinstance(error, ConflictError | NotFoundError) for error in errors):
        return ConflictError("; ".join(map(str, errors)))
    waits = [error.retry_after for error in errors if error.retry_after is not None]
    return PortError("; ".join(map(str, errors)), retry_after=max(waits, default=None))
