"""The visit of a ModelRouter: compile, steer, write once, and follow the acknowledgements.

    routes, pools --compile--> configuration with shares as written
    memory, measurement, SLOs --steer--> shares of now, new memory
    both --> <router>-config, one PUT --> agents acknowledge --> Programmed

Nothing here moves traffic without a record of why: where the record cannot be read, everything
stays as it is.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeVar

from tokenfleet.api.conditions import ACCEPTED, PROGRAMMED, Condition
from tokenfleet.api.conventions import Model
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet import router_config
from tokenfleet.domain.fleet.conditions import (
    PENDING,
    condition,
    held_over,
    judged,
    merged,
    summary,
)
from tokenfleet.domain.fleet.endpoints import ready_endpoints
from tokenfleet.domain.fleet.last_good import with_last_good
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.plan import Deletion, EventNote
from tokenfleet.domain.fleet.pool_visit import unwanted
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.replicas import Acknowledged, acknowledged
from tokenfleet.domain.fleet.router_config import Held, UnreadableConfigError
from tokenfleet.domain.fleet.router_snapshot import Body, RouterPlan, RouterSnapshot
from tokenfleet.domain.fleet.steering import Steered, steer, view_of
from tokenfleet.domain.fleet.views import RouterView, RouteView
from tokenfleet.domain.routing.codec import Document, too_large
from tokenfleet.domain.routing.compile import Compiled, compile_router
from tokenfleet.domain.routing.shares import with_shares
from tokenfleet.domain.routing.workload import workload

ACK_SOON: Final = timedelta(milliseconds=300)
"""Pause between looks at agents just after a change: an agent needs some 200 ms to apply it."""

ACK_LATER: Final = timedelta(seconds=5)
"""Pause once it is clear that something is wrong."""

ACK_PATIENCE: Final = timedelta(seconds=10)
"""Time in which a change is on its way rather than missing."""

ACK_REFRESH: Final = timedelta(seconds=60)
"""Pause while all is well: an agent may have restarted with older files."""

LISTED_REPLICAS: Final = 100
"""Replicas in status; the CRD's limit."""

T = TypeVar("T", bound=Model)


def plan_router(seen: RouterSnapshot) -> RouterPlan:
    """Plan one router."""
    router = parsed(ModelRouter, seen.body)
    if isinstance(router, Problem):
        # What runs goes on running; a router whose spec cannot be read is not torn down.
        return RouterPlan(status=_status(seen, [router], acknowledged(seen.replicas, 0), 0))
    try:
        held, notes = _held(seen)
    except UnreadableConfigError as error:
        return _hold(seen, router, str(error))
    return _advance(seen, router, held, notes)


def _advance(
    seen: RouterSnapshot, router: ModelRouter, held: Held, notes: tuple[EventNote, ...]
) -> RouterPlan:
    routes, unread = _read(ModelRoute, seen.routes)
    pools = {pool.metadata.name: pool for pool in _read(ServingPool, seen.pools)[0]}
    compiled = compile_router(router, routes, pools, held.claims)
    running = held.document.config if held.document is not None else None
    compiled = replace(
        compiled, config=with_last_good(compiled.config, running, unread=unread.keys())
    )
    steered = steer(seen, routes, pools, compiled, held.memory)
    wanted = _wanted(seen, held, compiled, steered)
    same = seen.stored is not None and router_config.same(seen.stored["data"], held, wanted)
    data = {} if same else router_config.write(wanted)
    too_much = too_large(data)
    effective = held if too_much else wanted
    acks = acknowledged(seen.replicas, effective.revision)
    problems = [too_much] if too_much else []
    changed = effective.revision != held.revision
    young = changed or _young(seen)
    programmed = _programmed(seen, problems, acks, effective.revision, young=young)
    return RouterPlan(
        replace=None
        if same or too_much
        else router_config.config_body(seen.body, data, seen.stored),
        applies=workload(router, seen.image, pod_monitor=seen.pod_monitors),
        deletes=_unwanted(seen, router),
        status=_status(seen, problems, acks, effective.revision, young=young),
        events=(*notes, *(() if too_much else steered.notes)),
        requeue_after=ACK_SOON if changed else _again(acks, young=young),
        view=view_of(
            steered,
            {**compiled.problems, **unread},
            effective,
            programmed,
            ready={pool: ready_endpoints(slices) for pool, slices in seen.slices.items()},
        ),
        revision=effective.revision,
        transitions=() if too_much else steered.transitions,
    )


def _held(seen: RouterSnapshot) -> tuple[Held, tuple[EventNote, ...]]:
    """Return what the router runs, from the best record there is.

    Raises:
        UnreadableConfigError: there is a record, and it cannot be read.
    """
    if seen.stored is not None:
        return router_config.read(seen.stored.get("data", {})), ()
    copy = router_config.newest(seen.copies)
    if copy is not None:
        return copy, (_lost(seen, f"read back from a replica at revision {copy.revision}"),)
    rebuilt = router_config.from_status(seen.routes)
    if rebuilt is not None:
        return rebuilt, (_lost(seen, "rebuilt from the shares in route status"),)
    return Held(), ()


def _lost(seen: RouterSnapshot, how: str) -> EventNote:
    name = seen.body["metadata"]["name"]
    return EventNote(
        type="Warning",
        reason="ConfigLost",
        action="Rebuild",
        note=f"ConfigMap {name}-config was gone; its shares were {how}",
    )


def _wanted(seen: RouterSnapshot, held: Held, compiled: Compiled, steered: Steered) -> Held:
    """Return what the router should run; the revision grows only by a change of configuration."""
    before = held.document.config if held.document is not None else None
    config = with_shares(compiled.config, steered.shares, before=before)
    revision = held.revision
    if held.document is None:
        # Agents ignore revisions older than what they run.
        recorded = seen.body.get("status", {}).get("configRevision", 0)
        revision = max([recorded, *(item.applied or 0 for item in seen.replicas)])
    if config != before:
        revision += 1
    document = Document(revision=revision, config=config)
    return Held(document=document, memory=steered.memory, claims=compiled.claims)


def _hold(seen: RouterSnapshot, router: ModelRouter, why: str) -> RouterPlan:
    """Keep everything as it is: the record of who gets what cannot be read."""
    name = router.metadata.name
    problem = Problem(
        condition=PROGRAMMED,
        reason="ConfigUnreadable",
        message=f"ConfigMap {name}-config cannot be read: {why}; traffic stays as it is; run the"
        " operator version that wrote it, or delete it to rebuild it from the replicas",
    )
    revision = seen.body.get("status", {}).get("configRevision", 0)
    acks = acknowledged(seen.replicas, revision)
    programmed = judged(PROGRAMMED, [problem], reason="Programmed")
    return RouterPlan(
        applies=workload(router, seen.image, pod_monitor=seen.pod_monitors),
        status=_status(seen, [problem], acks, revision),
        view=RouterView(
            routes={
                body["metadata"]["name"]: RouteView(programmed=programmed) for body in seen.routes
            }
        ),
        requeue_after=ACK_REFRESH,
    )


def _read(model: type[T], bodies: Sequence[Body]) -> tuple[list[T], dict[str, tuple[Problem, ...]]]:
    """Read what can be read; name -> problem for the rest."""
    good: list[T] = []
    bad: dict[str, tuple[Problem, ...]] = {}
    for body in bodies:
        item = parsed(model, body)
        if isinstance(item, Problem):
            bad[body["metadata"]["name"]] = (item,)
        else:
            good.append(item)
    return good, bad


def _unwanted(seen: RouterSnapshot, router: ModelRouter) -> tuple[Deletion, ...]:
    key = router_config.config_key(router.metadata.namespace, router.metadata.name)
    return unwanted(
        seen.children,
        workload(router, seen.image, pod_monitor=seen.pod_monitors),
        keep=frozenset({key}),
    )


def _programmed(
    seen: RouterSnapshot,
    problems: Sequence[Problem],
    acks: Acknowledged,
    revision: int,
    *,
    young: bool,
) -> Condition:
    if problems:
        return judged(PROGRAMMED, problems, reason="Programmed")
    if not acks.ready:
        name = seen.body["metadata"]["name"]
        text = f"no pod of Deployment {name}-router is ready"
        return condition(PROGRAMMED, status=False, reason="NoReadyReplica", message=text)
    if acks.everywhere:
        text = f"{acks.running} of {acks.ready} ready replicas run revision {revision}"
        return condition(PROGRAMMED, status=True, reason="Programmed", message=text)
    text = "; ".join(acks.behind[:3])
    if young:
        return condition(PROGRAMMED, "Unknown", reason=PENDING, message=text)
    return condition(PROGRAMMED, status=False, reason="NotAcknowledged", message=text)


def _status(
    seen: RouterSnapshot,
    problems: Sequence[Problem],
    acks: Acknowledged,
    revision: int,
    *,
    young: bool = False,
) -> dict[str, Any]:
    metadata = seen.body["metadata"]
    generation = metadata.get("generation", 0)
    previous = seen.body.get("status", {}).get("conditions", ())
    fresh = [
        judged(ACCEPTED, problems, reason="Accepted"),
        held_over(
            _programmed(
                seen,
                [problem for problem in problems if problem.condition != ACCEPTED],
                acks,
                revision,
                young=young,
            ),
            previous,
            generation=generation,
        ),
    ]
    text = f"{acks.running} of {acks.ready} replicas run revision {revision}"
    fresh.append(summary(fresh, (ACCEPTED, PROGRAMMED), message=text))
    listed = sorted(seen.replicas, key=lambda item: item.pod)[:LISTED_REPLICAS]
    return {
        "observedGeneration": generation,
        "addresses": [f"{metadata['name']}-router.{metadata['namespace']}.svc:80"],
        "configRevision": revision,
        "replicas": [
            {"pod": item.pod, "appliedRevision": item.applied or 0, "version": item.version}
            for item in listed
        ],
        "acknowledged": f"{acks.running}/{acks.ready}",
        "conditions": merged(previous, fresh, generation=generation, now=seen.now),
    }


def _young(seen: RouterSnapshot) -> bool:
    """Tell whether the newest revision has had no time to arrive yet."""
    return seen.changed_at is not None and seen.now - seen.changed_at < ACK_PATIENCE


def _again(acks: Acknowledged, *, young: bool) -> timedelta:
    """Return when to look at the agents again."""
    if acks.everywhere or not acks.ready:
        return ACK_REFRESH
    return ACK_SOON if young else ACK_LATER
