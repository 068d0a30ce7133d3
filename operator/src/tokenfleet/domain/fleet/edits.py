"""What an edit of rules does to their control memory, before the loop takes its step.

    rule gone        its memory is kept for an hour                                   (departed.py)
    rule new         it takes over the memory of one that is gone: of the same name, else with a
                     primary that traffic is shifted away from, in the same route or in one that
                     served the same models; of this router, or of one that carried the route; else
                     what other rules of its route know of its pools. A slice only takes over from a
                     slice of the same requests, else it goes on from what takes its requests so far
    rule changed     traffic stays, and steps to the new weights     (slo/control/carry_over)
    backend removed  its loop is kept for an hour, in case it comes back

The control-loop page has the table for users.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

from tokenfleet.domain.fleet.departed import Departed, remembered, shifted_pools
from tokenfleet.domain.fleet.keys import ROUTE, ObjectKey
from tokenfleet.domain.fleet.plan import EventNote
from tokenfleet.domain.fleet.router_config import Held
from tokenfleet.domain.fleet.running_slices import running_part
from tokenfleet.domain.routing.ir import RouterConfig, Rule
from tokenfleet.domain.routing.naming import place_of
from tokenfleet.domain.routing.neighbourhoods import at_home
from tokenfleet.domain.routing.rule_slices import slice_of_name
from tokenfleet.domain.slo.control.carry_over import Edit, carried_over, started_anew
from tokenfleet.domain.slo.control.memory import (
    NO_OBJECTIVE,
    REST,
    Decision,
    LoopMemory,
    RuleMemory,
)
from tokenfleet.domain.slo.control.memory_json import rule_to_json
from tokenfleet.domain.slo.observation.measurement import RuleKey, RuleTarget
from tokenfleet.domain.slo.reporting.decisions import Taken
from tokenfleet.domain.slo.reporting.explanations import ITSELF

INHERITED = "P4"
"""The transition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of a router as they are written now."""

    targets: Sequence[RuleTarget]
    """Those that the loop decides."""
    alive: AbstractSet[str]
    """`namespace/route/rule` of every rule that is written, decided or not."""
    unread: AbstractSet[str]
    """`namespace/route` of routes that cannot be read: all that they had is alive."""
    models: Mapping[str, tuple[str, ...]]
    """`namespace/route` -> public model names that it claims."""
    routes: AbstractSet[str]
    """`namespace/route` of the routes that exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The memory that the next step starts from."""

    memory: Mapping[str, RuleMemory]
    departed: Mapping[str, Departed]
    heirs: Mapping[RuleKey, RuleKey]
    """Rule -> rule that was running, and whose place it takes."""
    decisions: tuple[Taken, ...] = ()
    notes: tuple[EventNote, ...] = ()
    """What was left without an heir."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Where a rule's memory comes from, and where its traffic is."""

    memory: RuleMemory
    running: Mapping[str, int]
    source: str = ""
    """`namespace/route/rule` of a rule that is gone and gives its memory."""
    heir_of: RuleKey | None = None
    """Rule that was running, and whose conversations are its own."""
    decisions: tuple[tuple[str, Decision], ...] = ()


def unedited(held: Held) -> Edited:
    """Return what is held, where nothing may be decided."""
    return Edited(memory=held.memory, departed=held.departed, heirs={})


def edited(
    rules: Rules,
    held: Held,
    ready: Mapping[str, int],
    now: datetime,
    *,
    elsewhere: Sequence[Held] = (),
) -> Edited:
    """Look for edits, and return the memory under which traffic does not jump.

    Args:
        rules: as they are written now.
        held: what the router runs.
        ready: `namespace/pool` -> ready replicas.
        now: the current time, UTC.
        elsewhere: what other routers run, where a route is new to this one.
    """
    now = now.replace(microsecond=0)
    running = _running(held.document.config) if held.document is not None else {}
    leaving = _leaving(rules, held, running, now)
    departed = remembered(_merged(held.departed, leaving), now)
    memory = {key: kept for key, kept in held.memory.items() if key not in leaving}
    memory |= {k: held.memory[k] for k in leaving.keys() & rules.alive}
    others = _elsewhere(elsewhere, now)
    younger = {k: one for k, one in others.items() if k not in departed or one.at >= departed[k].at}
    sources = departed | younger
    heirs, taken, used = {}, [], set()
    by_namespace = _by_namespace(ready)
    for target in sorted(rules.targets, key=lambda target: target.key != target.base):
        key = str(target.key)  # rules before their slices, which may go on from them
        found = _found(target, rules, memory, running, sources, now)
        carried, decisions = carried_over(
            Edit(
                rule=target,
                memory=found.memory,
                running=found.running,
                ready=by_namespace.get(target.key.namespace, {}),
                now=now,
            )
        )
        memory[key] = carried
        pairs = [*found.decisions, *decisions.items()]
        taken += [Taken.of(target.key, pool, decision) for pool, decision in pairs]
        if found.source:
            used.add(found.source)
        if found.heir_of is not None:
            heirs[target.key] = found.heir_of
    left = {key: gone for key, gone in departed.items() if key not in used}
    return Edited(
        memory=memory,
        departed=left,
        heirs=heirs,
        decisions=tuple(taken),
        notes=tuple(
            _remembered_note(key, left[key], rules)
            for key in sorted(leaving.keys() & left.keys() - rules.alive)
            if shifted_pools(left[key].memory)
        ),
    )


def _by_namespace(ready: Mapping[str, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for key, count in ready.items():
        place, _, pool = key.partition("/")
        found.setdefault(place, {})[pool] = count
    return found


def _running(config: RouterConfig) -> dict[str, Rule]:
    """Return `namespace/route/rule` -> rule, with its pools called as in that namespace."""
    home = config.namespace
    return {
        f"{place_of(route.name, at=home)}/{rule.name}": at_home(rule, at=home)
        for route in config.routes
        for rule in route.rules
    }


def _models(config: RouterConfig) -> dict[str, tuple[str, ...]]:
    """Return `namespace/route` -> public model names that it serves."""
    home = config.namespace
    return {str(place_of(route.name, at=home)): route.model_names for route in config.routes}


def _shares(rule: Rule | None) -> dict[str, int]:
    return {share.pool: share.share for share in rule.shares} if rule is not None else {}


def _elsewhere(others: Sequence[Held], now: datetime) -> dict[str, Departed]:
    """Return what other routers remember of rules that may have come from them."""
    found: dict[str, Departed] = {}
    for held in others:
        config = held.document.config if held.document is not None else None
        running = _running(config) if config is not None else {}
        models = _models(config) if config is not None else {}
        found |= held.departed
        for key, memory in held.memory.items():
            found[key] = Departed(
                at=now,
                models=models.get(key.rpartition("/")[0], ()),
                shares=_shares(running.get(key)),
                memory=memory,
            )
    return found


def _leaving(
    rules: Rules, held: Held, running: Mapping[str, Rule], now: datetime
) -> dict[str, Departed]:
    """Return what goes with this edit: whole rules, and loops of backends that were removed."""
    document = held.document
    models = _models(document.config) if document is not None else {}
    backends = {str(target.key): set(target.backends) for target in rules.targets}
    leaving = {}
    for key, memory in held.memory.items():
        route = key.rpartition("/")[0]
        if route in rules.unread or (key in rules.alive and key not in backends):
            continue
        gone = memory
        if key in backends:
            loops = {p: loop for p, loop in memory.loops.items() if p not in backends[key]}
            gone = RuleMemory(loops={p: loop for p, loop in loops.items() if loop != REST})
        if rule_to_json(gone):
            leaving[key] = Departed(
                at=now,
                models=tuple(models.get(route, ())),
                shares=_shares(running.get(key)),
                memory=gone,
            )
    return leaving


def _merged(old: Mapping[str, Departed], new: Mapping[str, Departed]) -> dict[str, Departed]:
    """Add what goes now; of one rule, loops of backends that went earlier stay."""
    merged = {**old, **new}
    for key in old.keys() & new.keys():
        loops = {**old[key].memory.loops, **new[key].memory.loops}
        merged[key] = replace(new[key], memory=replace(new[key].memory, loops=loops))
    return merged


def _found(
    target: RuleTarget,
    rules: Rules,
    memory: Mapping[str, RuleMemory],
    running: Mapping[str, Rule],
    departed: Mapping[str, Departed],
    now: datetime,
) -> _Found:
    """Return what a rule goes on from."""
    key = str(target.key)
    if key in memory or key in running:
        return _again(target, memory.get(key, RuleMemory()), running.get(key), departed)
    place = f"{target.key.namespace}/{target.key.route}"
    source = _testator(target, rules.models.get(place, ()), departed)
    if source:
        gone = departed[source]
        return _inherited(target, gone.memory, gone.shares, source, now)
    if target.key != target.base:
        return _split_off(target, memory, running, now)
    known = _of_siblings(target, memory)
    return _inherited(target, RuleMemory(loops=known), {}, "", now)


def _split_off(
    target: RuleTarget, memory: Mapping[str, RuleMemory], running: Mapping[str, Rule], now: datetime
) -> _Found:
    """Return what a new slice goes on from: the part of its rule that takes its requests so far."""
    route, base = f"{target.key.namespace}/{target.key.route}", target.base.rule
    before = running_part(route, base, slice_of_name(target.key.rule), running)
    known = memory.get(f"{route}/{before}", RuleMemory())
    # Its objectives have seen nothing of it yet: they are waited for.
    loops = {p: replace(m, cause=NO_OBJECTIVE) for p, m in known.loops.items() if m.shifted}
    levels = {p: m for p, m in known.levels.items() if m.shifted}
    shares = _shares(running.get(f"{route}/{before}"))
    split = RuleMemory(loops=loops, levels=levels)
    found = _inherited(target, split, shares if loops or levels else {}, "", now)
    return replace(found, heir_of=target.key._replace(rule=before))


def _again(
    target: RuleTarget,
    memory: RuleMemory,
    running: Rule | None,
    departed: Mapping[str, Departed],
) -> _Found:
    """Return the memory of a rule that stays; backends that come back bring theirs."""
    chain = running.chain if running is not None else ()
    gone = departed.get(str(target.key))
    back = {
        pool: loop
        for pool, loop in (gone.memory.loops.items() if gone is not None else ())
        if pool in target.backends and pool not in chain and pool not in memory.loops
    }
    whole = replace(memory, loops={**memory.loops, **back}) if back else memory
    return _Found(memory=whole, running=_shares(running) if shifted_pools(whole) else {})


def _testator(target: RuleTarget, models: Iterable[str], departed: Mapping[str, Departed]) -> str:
    """Return the key of the rule that is gone and whose place a new one takes; empty: none.

    Pools of another namespace are other pools, whatever they are called.
    """
    place = f"{target.key.namespace}/{target.key.route}"

    def rank(key: str) -> tuple[bool, bool, int, datetime]:
        gone = departed[key]
        common = len(target.backends.keys() & set(shifted_pools(gone.memory)))
        return key == str(target.key), key.rpartition("/")[0] == place, common, gone.at

    part = slice_of_name(target.key.rule)
    fitting = [
        key
        for key, gone in departed.items()
        if key == str(target.key)
        or (
            key.startswith(f"{target.key.namespace}/")
            and slice_of_name(key.rpartition("/")[2]) == part
            and target.backends.keys() & set(shifted_pools(gone.memory))
            and (key.rpartition("/")[0] == place or set(models) & set(gone.models))
        )
    ]
    return max(fitting, key=rank, default="")


def _of_siblings(target: RuleTarget, memory: Mapping[str, RuleMemory]) -> dict[str, LoopMemory]:
    """Return what other rules of a route have shifted away from a new rule's primaries."""
    place = f"{target.key.namespace}/{target.key.route}/"
    found: dict[str, LoopMemory] = {}
    for key in sorted(memory):
        if not key.startswith(place) or not slice_of_name(key.removeprefix(place)).whole:
            continue
        for pool in target.backends:
            loop = memory[key].loops.get(pool, REST)
            if loop.shifted and loop.w < found.get(pool, REST).w:
                # Objectives of the new rule are waited for: they have seen nothing of it yet.
                found[pool] = replace(loop, cause=NO_OBJECTIVE)
    return found


def _inherited(
    target: RuleTarget, memory: RuleMemory, running: Mapping[str, int], source: str, now: datetime
) -> _Found:
    """Return inherited memory, and a decision for each primary that is shifted."""
    loops, decisions = dict(memory.loops), []
    for pool in shifted_pools(memory):
        if pool not in target.backends:
            continue
        kept = memory.kept(pool)
        decision = Decision(
            transition=INHERITED,
            at=now,
            from_w=1000,
            to_w=round(kept.w * 1000),
            pool=kept.fallback,
            note=ITSELF if source == str(target.key) else source.rpartition("/")[2],
        )
        decisions.append((pool, decision))
        if pool in loops and loops[pool].shifted:
            loops[pool] = started_anew(loops[pool], decision)
    return _Found(
        memory=replace(memory, loops=loops),
        running=running,
        source=source,
        heir_of=RuleKey(*source.split("/")) if source else None,
        decisions=tuple(decisions),
    )


def _remembered_note(key: str, gone: Departed, rules: Rules) -> EventNote:
    namespace, route, rule = key.split("/")
    shares = ", ".join(f"{pool} {share / 10:g} %" for pool, share in gone.shares.items() if share)
    return EventNote(
        type="Normal",
        reason="ShiftRemembered",
        action="SetShares",
        note=f"rule {rule} of ModelRoute {route} is gone in the middle of a shift ({shares}); for"
        " an hour a rule that takes its place goes on from there",
        about=ObjectKey(ROUTE, namespace, route)
        if f"{namespace}/{route}" in rules.routes
        else None,
        id=Decision(transition="gone", at=gone.at, from_w=0, to_w=0).identifier(key),
        at=gone.at,
    )
