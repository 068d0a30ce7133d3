"""Where the control loop meets the fleet: its input gathered, its outcome in the fleet's words."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from tokenfleet.api.conditions import READY
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.fleet import router_config
from tokenfleet.domain.fleet.decision_notes import decision_note
from tokenfleet.domain.fleet.departed import Departed
from tokenfleet.domain.fleet.edits import Rules, edited, unedited
from tokenfleet.domain.fleet.facts import pool_facts
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.plan import EventNote
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.router_config import Held
from tokenfleet.domain.fleet.router_snapshot import Body, RouterSnapshot
from tokenfleet.domain.fleet.views import RouterView, RouteView
from tokenfleet.domain.routing.compile import Compiled
from tokenfleet.domain.routing.ir import Rule
from tokenfleet.domain.routing.naming import Place, local_name, place_of
from tokenfleet.domain.routing.neighbourhoods import at_home
from tokenfleet.domain.routing.rule_slices import bounds, rule_of_name
from tokenfleet.domain.routing.rules import References
from tokenfleet.domain.routing.slices import ready_replicas
from tokenfleet.domain.routing.slicing import Refusal
from tokenfleet.domain.slo.control.memory import RuleMemory
from tokenfleet.domain.slo.engine import Outcome, Snapshot, step
from tokenfleet.domain.slo.objectives.spec import (
    LevelObjective,
    ObjectiveSpec,
)
from tokenfleet.domain.slo.objectives.token_slo import from_token_slo, level_of
from tokenfleet.domain.slo.observation.measurement import (
    Failure,
    Pin,
    RouterReplica,
    RuleKey,
    RuleTarget,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """What the control loop decided, for all rules of one router."""

    outcome: Outcome
    memory: Mapping[str, RuleMemory]
    """Memory of the rules that exist."""
    shares: Mapping[tuple[str, str], Mapping[str, int]]
    """(route, rule) -> pool -> conversations of 1000; all called as the router does."""
    measured: bool
    """Whether there has been a measurement since the start."""
    notes: tuple[EventNote, ...]
    """What to tell of it."""
    departed: Mapping[str, Departed]
    """Rules that are gone, and what they remembered."""
    heirs: Mapping[tuple[str, str], tuple[str, str]]
    """(route, rule) -> (route, rule) that was running, and whose place it takes."""
    refused: Mapping[str, Refusal]
    """`namespace/name` of a TokenSLO -> why it does not act on what its selector names."""


def steer(
    seen: RouterSnapshot,
    routes: Sequence[ModelRoute],
    pools: Mapping[str, ServingPool],
    compiled: Compiled,
    held: Held,
    *,
    standing: bool,
) -> Steered:
    """Run one step of the control loop over all rules of a router.

    Args:
        seen: the router; its objectives are about rules that exist.
        routes: its routes.
        pools: pools by what the router calls them.
        compiled: what it should run, with the last good of what does not resolve.
        held: what it runs.
        standing: nothing can be stored: look, and decide nothing.
    """
    home = seen.body["metadata"]["namespace"]
    promises = tuple(_heard(promises_of(seen.slos), compiled))
    counts = ready_pools(seen, compiled)
    ready = {str(place_of(name, at=home)): count for name, count in counts.items()}
    snapshot = Snapshot(
        rules=targets(home, routes, compiled, running=held),
        objectives=tuple(slo for slo in promises if isinstance(slo, ObjectiveSpec)),
        levels=tuple(slo for slo in promises if isinstance(slo, LevelObjective)),
        pools={
            str(place_of(name, at=home)): pool_facts(pools.get(name), count)
            for name, count in counts.items()
        },
        replicas=tuple(
            RouterReplica(namespace=home, pod=replica.pod, since=replica.since)
            for replica in seen.replicas
            if replica.since is not None
        ),
        measurement=seen.measurement,
        acknowledged_at=seen.acknowledged_at,
        actuation=seen.shifting,
    )
    before = unedited(held)
    if not standing:
        rules = _rules(seen, routes, compiled, snapshot)
        others = [router_config.read(data) for data in seen.elsewhere]
        before = edited(rules, held, ready, seen.now, elsewhere=others)
    outcome = step(snapshot, before.memory, seen.now, standing=standing)
    decided = {str(target.key): target.key for target in snapshot.rules}
    # A rule whose pools are all gone for a while must not come back as if nothing had happened.
    resting = {key: kept for key, kept in before.memory.items() if key not in decided}
    decisions = (*before.decisions, *outcome.decisions)
    return Steered(
        outcome=outcome,
        memory={**resting, **outcome.memory},
        shares={
            _on_router(decided[key], at=home): {
                local_name(decided[key].namespace, pool, at=home): share
                for pool, share in shares.items()
            }
            for key, shares in outcome.shares.items()
        },
        measured=seen.measurement is not None,
        notes=(*(decision_note(taken) for taken in decisions), *before.notes),
        departed=before.departed,
        heirs={
            _on_router(heir, at=home): _on_router(source, at=home)
            for heir, source in before.heirs.items()
        },
        refused=compiled.refused,
    )


def _on_router(rule: RuleKey, *, at: str) -> tuple[str, str]:
    """Return (route, rule) as a router in namespace `at` calls them."""
    return local_name(rule.namespace, rule.route, at=at), rule.rule


def _rules(
    seen: RouterSnapshot, routes: Sequence[ModelRoute], compiled: Compiled, snapshot: Snapshot
) -> Rules:
    home = seen.body["metadata"]["namespace"]
    known = {Place(b["metadata"]["namespace"], b["metadata"]["name"]) for b in seen.routes}
    read = {Place(r.metadata.namespace, r.metadata.name): r for r in routes}
    return Rules(
        targets=snapshot.rules,
        alive={f"{place}/{rule.name}" for place, r in read.items() for rule in r.spec.rules}
        | {
            f"{place_of(route.name, at=home)}/{rule.name}"
            for route in compiled.config.routes
            for rule in route.rules
        },
        unread={str(place) for place in known - read.keys()},
        models={str(place): tuple(r.spec.model_names) for place, r in read.items()},
        routes={str(place) for place in known},
    )


def ready_pools(seen: RouterSnapshot, compiled: Compiled) -> dict[str, int]:
    """Return pool -> replicas that the router can use, for every pool of its configuration."""
    # A provider is one replica that is always there: only requests tell whether it answers.
    return {
        pool.name: 1
        if pool.site is not None
        else len(ready_replicas(pool, seen.slices.get(pool.service, ())))
        for pool in compiled.config.pools
    }


def targets(
    home: str,
    routes: Sequence[ModelRoute],
    compiled: Compiled,
    *,
    running: Held | None = None,
) -> tuple[RuleTarget, ...]:
    """Return the compiled rules as the loop sees them; those with a usable pool.

    In the order in which the router tries them: slices before their rule. The loop calls routes and
    pools by the names of their own namespace, whichever router carries them: what it remembers
    holds on every router.
    """
    now = _shares(running)
    written = {Place(r.metadata.namespace, r.metadata.name): r for r in routes}
    rules = [
        (
            RuleKey(*place, rule.name),
            written[place],
            rule,
            compiled.references[route.name, rule.name],
        )
        for route in compiled.config.routes
        for rule in route.rules
        if (place := place_of(route.name, at=home)) in written
        if (route.name, rule.name) in compiled.references
    ]
    found = [
        _target(key, route, at_home(rule, at=home), references, now.get(key, {}))
        for key, route, rule, references in rules
    ]
    return tuple(target for target in found if target.backends)


def _heard(
    promises: Iterable[ObjectiveSpec | LevelObjective], compiled: Compiled
) -> Iterable[ObjectiveSpec | LevelObjective]:
    """Let objectives that are refused their slice alert only."""
    for promise in promises:
        yield replace(promise, shifts=False) if promise.key in compiled.refused else promise


def view_of(
    steered: Steered,
    compiled: Compiled,
    held: Held,
    programmed: Condition,
    *,
    ready: Mapping[str, int],
) -> RouterView:
    """Return what status tells of every route and objective.

    Args:
        steered: what the control loop decided.
        compiled: with the problems of routes that cannot be read, too.
        held: the configuration that is in force, or about to be.
        programmed: whether the replicas run it.
        ready: pool -> ready endpoints.
    """
    problems, home = compiled.problems, compiled.config.namespace
    views = {
        str(place_of(name, at=home)): RouteView(problems=found, programmed=programmed)
        for name, found in problems.items()
    }
    for route in held.document.config.routes if held.document is not None else ():
        place = str(place_of(route.name, at=home))
        views[place] = RouteView(
            problems=(
                *problems.get(route.name, ()),
                *(found for rule in route.rules for found in _unserved(rule, ready, at=home)),
            ),
            rivals=compiled.rivals.get(route.name, ()),
            shares={
                rule.name: {share.pool: share.share for share in at_home(rule, at=home).shares}
                for rule in route.rules
            },
            rules={
                rule.name: view
                for rule in route.rules
                if (view := steered.outcome.rules.get(f"{place}/{rule.name}")) is not None
            },
            programmed=programmed,
        )
    # Before the first tick nothing is known, and a restart must not take back what was said.
    slos = {
        key: replace(view, refused=Failure(*steered.refused[key]))
        if key in steered.refused
        else view
        for key, view in (steered.outcome.slos.items() if steered.measured else ())
    }
    return RouterView(routes=views, slos=slos, demand=steered.outcome.demand)


def _shares(held: Held | None) -> dict[RuleKey, dict[str, int]]:
    if held is None or held.document is None:
        return {}
    home = held.document.config.namespace
    return {
        RuleKey(*place_of(route.name, at=home), rule.name): {
            share.pool: share.share for share in at_home(rule, at=home).shares
        }
        for route in held.document.config.routes
        for rule in route.rules
    }


def _target(
    key: RuleKey,
    route: ModelRoute,
    compiled: Rule,
    references: References,
    now: Mapping[str, int],
) -> RuleTarget:
    """Return a rule as the loop sees it: only the pools that the router can use for it."""
    weights = references.weights
    backends = dict(zip(compiled.chain, weights, strict=False))
    return RuleTarget(
        key=key,
        backends=backends,
        fallbacks=compiled.chain[len(backends) :] if backends else (),
        control="Disabled" if route.spec.traffic_control.type == "Disabled" else "Auto",
        pin=_pin(rule_of_name(key.rule), route, compiled, now),
        scope=bounds(compiled.matches),
    )


def _pin(rule: str, route: ModelRoute, compiled: Rule, now: Mapping[str, int]) -> Pin | None:
    """Return what a user fixed; where it names a pool that the rule has not, what runs now."""
    pinned = route.spec.traffic_control.pinned
    wanted = next((one for one in pinned.rules if one.name == rule), None) if pinned else None
    if pinned is None or wanted is None:
        return None
    weights = {ref.name: ref.weight for ref in wanted.pools}
    if not weights.keys() <= set(compiled.chain):
        weights = {pool: now[pool] for pool in compiled.chain if pool in now}
    return Pin(weights=weights, until=pinned.until) if any(weights.values()) else None


def promises_of(bodies: Iterable[Body]) -> Iterable[ObjectiveSpec | LevelObjective]:
    """Yield the TokenSLOs as the loop reads them; what cannot be read is left out.

    One that cannot be read, or has no objective, says so in its own status.
    """
    return filter(None, map(promise_in, bodies))


def promise_in(body: Body) -> ObjectiveSpec | LevelObjective | None:
    """Return a TokenSLO as the loop reads it; None where it cannot be read."""
    slo = parsed(TokenSLO, body)
    if isinstance(slo, TokenSLO):
        with suppress(ValueError):
            return promise_of(slo)
    return None


def promise_of(slo: TokenSLO) -> ObjectiveSpec | LevelObjective:
    """Read one TokenSLO.

    Raises:
        ValueError: it has no member for its type; the API server refuses such objects.
    """
    try:
        return from_token_slo(slo)
    except ValueError:
        return level_of(slo)


def _unserved(rule: Rule, ready: Mapping[str, int], *, at: str) -> tuple[Problem, ...]:
    """Name a rule that nobody serves now."""
    if any(ready.get(pool) for pool in rule.chain):
        return ()
    pools = ", ".join(at_home(rule, at=at).chain) or "none that can be used"
    return (
        Problem(
            condition=READY,
            reason="NoReadyPool",
            message=f"rule {rule.name} has no pool with a ready replica (its pools: {pools});"
            " see kubectl get servingpools",
        ),
    )
