"""The visit of a ModelRouter: compile, steer, write once, and follow the acknowledgements.

    routes, pools --compile--> configuration with shares as written
    memory, measurement, SLOs --steer--> shares of now, new memory
    both --> <router>-config, one PUT --> agents acknowledge --> Programmed

Nothing here moves traffic without a record of why: where the record cannot be read, everything
stays as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

from tokenfleet.api.conditions import PROGRAMMED
from tokenfleet.api.conventions import Model
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.fleet import router_config, untold
from tokenfleet.domain.fleet.aims import aimed
from tokenfleet.domain.fleet.conditions import judged
from tokenfleet.domain.fleet.last_good import resolved_now, with_last_good
from tokenfleet.domain.fleet.ownership import controls
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.plan import Deletion, EventNote
from tokenfleet.domain.fleet.pool_service import pool_backing
from tokenfleet.domain.fleet.pool_visit import unwanted
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.replicas import acknowledged, keyless
from tokenfleet.domain.fleet.router_config import Held, UnreadableConfigError
from tokenfleet.domain.fleet.router_snapshot import Body, RouterPlan, RouterSnapshot
from tokenfleet.domain.fleet.router_status import (
    ACK_LATER,
    ACK_REFRESH,
    ACK_SOON,
    is_young,
    look_again,
    programmed_now,
    router_status,
)
from tokenfleet.domain.fleet.running_slices import running_slices
from tokenfleet.domain.fleet.steering import Steered, ready_pools, steer, view_of
from tokenfleet.domain.fleet.views import RouterView, RouteView
from tokenfleet.domain.routing.backing import Backing, Use, service_name
from tokenfleet.domain.routing.codec import Document
from tokenfleet.domain.routing.compile import Compiled, compile_router
from tokenfleet.domain.routing.naming import local_name
from tokenfleet.domain.routing.shares import with_shares
from tokenfleet.domain.routing.workload import workload

T = TypeVar("T", bound=Model)

SILENT_REPLICAS: Final = timedelta(minutes=5)
"""How long silent replicas are waited for before less than what they run is believed."""


def plan_router(seen: RouterSnapshot) -> RouterPlan:
    """Plan one router."""
    router = parsed(ModelRouter, seen.body)
    if isinstance(router, Problem):
        # What runs goes on running; a router whose spec cannot be read is not torn down.
        status = router_status(seen, [router], acknowledged(seen.replicas, 0), 0)
        return RouterPlan(status=status)
    if _awaits_copy(seen):
        return _hold(seen, router, _lost_and_silent(seen))
    try:
        held, notes = _held(seen)
    except UnreadableConfigError as error:
        return _hold(seen, router, _unreadable(seen, error))
    return _advance(seen, router, held, notes)


def _advance(
    seen: RouterSnapshot, router: ModelRouter, held: Held, notes: tuple[EventNote, ...]
) -> RouterPlan:
    home = router.metadata.namespace
    routes, unread = _read(ModelRoute, seen.routes, at=home)
    read, broken = _read(ServingPool, seen.pools, at=home)
    pools = {local_name(p.metadata.namespace, p.metadata.name, at=home): p for p in read}
    about = aimed(seen.slos, seen.routes, held.targets, at=home)
    slos = _read(TokenSLO, about.slos, at=home)[0]
    backings = _backings(seen, pools, broken, at=home)
    slices = running_slices(held, at=home)
    compiled = compile_router(
        router, routes, pools, held.claims, backings, slos=slos, slices=slices, unread=unread
    )
    compiled = replace(compiled, problems={**compiled.problems, **unread})
    compiled = with_last_good(compiled, held, unread=unread.keys())
    problems = [seen.unstored] if seen.unstored is not None else []
    aiming = replace(seen, slos=about.slos)
    steered = steer(aiming, routes, pools, compiled, held, standing=bool(problems))
    wanted = replace(_wanted(seen, held, compiled, steered, notes), targets=about.targets)
    same = (
        seen.stored is not None
        # One whose owner is a namesake that is gone is collected.
        and controls(seen.body, seen.stored)
        and router_config.same(seen.stored["data"], held, wanted)
    )
    data = {} if same or problems else router_config.write(wanted)
    too_much = router_config.too_large(data)
    if too_much is not None:
        return _advance(replace(seen, unstored=too_much), router, held, notes)
    effective = held if problems else wanted
    acks = acknowledged(seen.replicas, effective.revision)
    changed = effective.revision != held.revision
    young = changed or is_young(seen)
    programmed = programmed_now(seen, problems, acks, effective.revision, young=young)
    without = keyless(seen.replicas, at=home)
    view = view_of(steered, compiled, effective, programmed, ready=ready_pools(seen, compiled))
    return RouterPlan(
        replace=None
        if same or problems
        else router_config.config_body(seen.body, data, seen.stored),
        applies=workload(router, seen.image, seen.platform),
        deletes=_unwanted(seen, router),
        status=router_status(seen, problems, acks, effective.revision, young=young),
        events=tuple(note for note in effective.untold if note.id not in seen.told),
        # What is told in this visit is taken out by the next one.
        requeue_after=ACK_SOON
        if effective.untold and not (same or problems)
        else look_again(acks, young=young, changed=changed, keyless=bool(without)),
        view=replace(view, keyless=without),
        revision=effective.revision,
        untold=effective.untold,
    )


def _awaits_copy(seen: RouterSnapshot) -> bool:
    """Tell whether the record is gone and a replica that runs it may yet answer."""
    since = seen.missing_since
    if (
        seen.stored is not None
        or since is None
        or router_config.newest(seen.copies, known=0) is not None
    ):
        return False
    written = _recorded(seen) > 0
    serving = any(replica.ready for replica in seen.replicas)
    return written and serving and seen.now - since < SILENT_REPLICAS


def _held(seen: RouterSnapshot) -> tuple[Held, tuple[EventNote, ...]]:
    """Return what the router runs, from the best record there is.

    Raises:
        UnreadableConfigError: there is a record, and it cannot be read.
    """
    if seen.stored is not None:
        return router_config.read(seen.stored.get("data", {})), ()
    copy = router_config.newest(seen.copies, known=_recorded(seen))
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
        id=f"lost-{int(seen.now.timestamp())}",
        at=seen.now,
    )


def _wanted(
    seen: RouterSnapshot,
    held: Held,
    compiled: Compiled,
    steered: Steered,
    notes: tuple[EventNote, ...],
) -> Held:
    """Return what the router should run; the revision grows only by a change of configuration."""
    before = held.document.config if held.document is not None else None
    config = with_shares(compiled.config, steered.shares, before=before, heirs=steered.heirs)
    revision = held.revision
    if held.document is None:
        # What people compare must not go back.
        recorded = _recorded(seen)
        told = (router_config.believable(one.applied or 0, recorded) for one in seen.replicas)
        revision = max([recorded, *told])
    if config != before:
        revision += 1
    document = Document(revision=revision, config=config)
    return Held(
        document=document,
        memory=steered.memory,
        claims=compiled.claims,
        departed=steered.departed,
        untold=untold.still_untold(held.untold, seen.told, (*notes, *steered.notes)),
        resolved=resolved_now(compiled, held),
    )


def _recorded(seen: RouterSnapshot) -> int:
    """Return the revision that status mentions; 0 where none was ever written."""
    return int(seen.body.get("status", {}).get("configRevision", 0))


def _backings(
    seen: RouterSnapshot,
    pools: Mapping[str, ServingPool],
    broken: Mapping[str, tuple[Problem, ...]],
    *,
    at: str,
) -> dict[str, Backing]:
    """Return pool -> what stands behind it."""
    bodies = {_local(body, at=at): body for body in seen.pools}
    found = {
        name: Backing(service="", use=Use.UNRESOLVED, problem=problems[0])
        for name, problems in broken.items()
    }
    for name, pool in pools.items():
        service = seen.services.get(local_name(pool.metadata.namespace, service_name(pool), at=at))
        found[name] = pool_backing(pool, bodies[name], service, seen.loops.get(name, ()))
    return found


def _unreadable(seen: RouterSnapshot, why: UnreadableConfigError) -> Problem:
    name = seen.body["metadata"]["name"]
    return Problem(
        condition=PROGRAMMED,
        reason="ConfigUnreadable",
        message=f"ConfigMap {name}-config cannot be read: {why}; traffic stays as it is; run the"
        " operator version that wrote it, or delete it to rebuild it from the replicas",
    )


def _lost_and_silent(seen: RouterSnapshot) -> Problem:
    name = seen.body["metadata"]["name"]
    silent = sum(replica.ready for replica in seen.replicas)
    return Problem(
        condition=PROGRAMMED,
        reason="ConfigLost",
        message=f"ConfigMap {name}-config is gone and none of {silent} ready router replicas tells"
        " what it runs; traffic stays as it is; after 5 minutes of silence the shares in route"
        " status are taken instead",
    )


def _hold(seen: RouterSnapshot, router: ModelRouter, problem: Problem) -> RouterPlan:
    """Keep everything as it is: the record of who gets what cannot be read."""
    revision = seen.body.get("status", {}).get("configRevision", 0)
    acks = acknowledged(seen.replicas, revision)
    programmed = judged(PROGRAMMED, [problem], reason="Programmed")
    return RouterPlan(
        applies=workload(router, seen.image, seen.platform),
        status=router_status(seen, [problem], acks, revision),
        view=RouterView(
            routes={
                "{namespace}/{name}".format_map(body["metadata"]): RouteView(programmed=programmed)
                for body in seen.routes
            }
        ),
        requeue_after=ACK_LATER if seen.stored is None else ACK_REFRESH,
    )


def _local(body: Body, *, at: str) -> str:
    return local_name(body["metadata"]["namespace"], body["metadata"]["name"], at=at)


def _read(
    model: type[T], bodies: Sequence[Body], *, at: str
) -> tuple[list[T], dict[str, tuple[Problem, ...]]]:
    """Read what can be read; what a router of namespace `at` calls it -> problem for the rest."""
    good: list[T] = []
    bad: dict[str, tuple[Problem, ...]] = {}
    for body in bodies:
        item = parsed(model, body)
        if isinstance(item, Problem):
            bad[_local(body, at=at)] = (item,)
        else:
            good.append(item)
    return good, bad


def _unwanted(seen: RouterSnapshot, router: ModelRouter) -> tuple[Deletion, ...]:
    key = router_config.config_key(router.metadata.namespace, router.metadata.name)
    return unwanted(
        seen.children,
        workload(router, seen.image, seen.platform),
        keep=frozenset({key}),
    )
