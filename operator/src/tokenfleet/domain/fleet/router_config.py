"""`<router>-config`: the one object that holds a router's traffic, read and written.

    data:
      config: what the agents render: routes, shares, revision      (domain/routing/codec)
      memory: what the control loop must not forget                 (domain/slo/control/memory)
      claims: which route serves which public model name            (domain/routing/conflicts)
      departed: memory of rules that are gone; mostly absent        (domain/fleet/departed)
      untold: what happened and has to be told yet; mostly absent   (domain/fleet/untold)
      references: what names last resolved to                       (domain/fleet/last_good)

All of it is written by one PUT, so shares, the reasons for them and their clocks can never
disagree. It is lost only when somebody deletes it. Then it is read back from a router replica, else
rebuilt from the shares in route status; the weights as written are assumed only where there is no
record at all.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from tokenfleet.api.conventions import ROUTER_LABEL
from tokenfleet.domain.fleet import departed, untold
from tokenfleet.domain.fleet.departed import Departed
from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.domain.fleet.plan import EventNote
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.routing import codec
from tokenfleet.domain.routing.codec import CodecError, Document
from tokenfleet.domain.routing.naming import Place, place_of
from tokenfleet.domain.routing.rule_slices import rule_of_name
from tokenfleet.domain.slo.control import memory_json as control_memory
from tokenfleet.domain.slo.control.memory import (
    LoopMemory,
    RuleMemory,
    State,
)
from tokenfleet.domain.slo.control.memory_json import UnreadableMemoryError
from tokenfleet.domain.slo.control.shares import baseline

Body = Mapping[str, Any]

WHOLE: Final = 1000
"""Buckets of a rule."""

DEPARTED: Final = "departed"
"""Key of the memory of rules that are gone."""

UNTOLD: Final = "untold"
"""Key of what has to be told yet."""

_UNREADABLE: Final = (
    CodecError,
    UnreadableMemoryError,
    *(ValueError, AttributeError, TypeError, LookupError),
    *(OverflowError, OSError),  # of instants that no clock shows
    RecursionError,  # of brackets in brackets
)
"""What reading something else than was written raises."""
LEAP: Final = 100_000
"""Revisions that a replica may be ahead of what status says, after a restore of an old backup: at
ten steps an hour, a year."""


class UnreadableConfigError(ValueError):
    """The object holds something that this version cannot read: hold, never guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What `<router>-config` holds."""

    document: Document | None = None
    """None: nothing has been written yet."""
    memory: Mapping[str, RuleMemory] = field(default_factory=dict)
    """`namespace/route/rule` -> memory."""
    claims: Mapping[str, str] = field(default_factory=dict)
    """Public model name -> route, as the router calls it (`routing/naming`)."""
    departed: Mapping[str, Departed] = field(default_factory=dict)
    """`namespace/route/rule` -> a rule that is gone."""
    untold: tuple[EventNote, ...] = ()
    """What happened with this and earlier writes, and may not have been told."""
    resolved: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """`route/rule` -> weights of its backends, the first pools of its chain, when all of its pools
    last resolved. A rule that never did is absent. The route is called as the router does."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """TokenSLO, as the router would call it -> `route` or `route/rule` of the same namespace that
    its targetRef last resolved to."""

    @property
    def revision(self) -> int:
        """Return the revision; 0 where nothing has been written."""
        return self.document.revision if self.document is not None else 0


def config_key(namespace: str, router: str) -> ObjectKey:
    """Return the key of a router's configuration object."""
    return ObjectKey("ConfigMap", namespace, f"{router}-config")


def read(data: Mapping[str, str]) -> Held:
    """Read the data of `<router>-config`.

    Raises:
        UnreadableConfigError: damaged, or of a newer version.
    """
    if "config" not in data:
        msg = "it has no key config"
        raise UnreadableConfigError(msg)
    texts = (data.get("memory", ""), data.get("claims", "{}"), data.get("references", "{}"))
    return _read(data["config"], *texts, data.get(DEPARTED, "{}"), data.get(UNTOLD, "[]"))


def routes_in(data: Mapping[str, str]) -> frozenset[Place] | None:
    """Return the routes that a router runs; None where that cannot be read."""
    try:
        document = read(data).document
    except UnreadableConfigError:
        return None
    if document is None:
        return None
    home = document.config.namespace
    return frozenset(place_of(route.name, at=home) for route in document.config.routes)


def services_in(data: Mapping[str, str]) -> frozenset[Place]:
    """Return the Services that a router uses; none where that cannot be read."""
    try:
        document = read(data).document
    except UnreadableConfigError:
        return frozenset()
    if document is None:
        return frozenset()
    home = document.config.namespace
    return frozenset(place_of(pool.service, at=home) for pool in document.config.pools)


@lru_cache(maxsize=128)
def _read(config: str, memory: str, claims: str, references: str, gone: str, waiting: str) -> Held:
    """Decode the texts; remembered, because most visits of a router find them unchanged."""
    try:
        owners = json.loads(claims)
        names = json.loads(references)
        return Held(
            document=codec.decode(config),
            memory=control_memory.decode(memory) if memory else {},
            claims={str(name): str(route) for name, route in owners.items()},
            departed=departed.decode(gone),
            untold=untold.decode(waiting),
            resolved={
                str(rule): tuple(int(weight) for weight in weights)
                for rule, weights in names.get("rules", {}).items()
            },
            targets={str(slo): str(to) for slo, to in names.get("objectives", {}).items()},
        )
    except _UNREADABLE as error:
        raise UnreadableConfigError(str(error)) from error


def write(held: Held) -> dict[str, str]:
    """Return the data for a configuration; equal input gives equal text."""
    assert held.document is not None
    data = {
        "config": codec.encode(held.document),
        "memory": control_memory.encode(held.memory),
        "claims": _text(dict(sorted(held.claims.items()))),
        "references": _text(
            {
                "objectives": dict(sorted(held.targets.items())),
                "rules": {rule: list(held.resolved[rule]) for rule in sorted(held.resolved)},
            }
        ),
    }
    data |= {DEPARTED: departed.encode(held.departed)} if held.departed else {}
    return data | ({UNTOLD: untold.encode(held.untold)} if held.untold else {})


def too_large(data: Mapping[str, str]) -> Problem | None:
    """Return the problem of data that do not fit; what is to be told has a limit of its own."""
    return codec.too_large({key: text for key, text in data.items() if key != UNTOLD})


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def same(data: Mapping[str, str], held: Held, wanted: Held) -> bool:
    """Tell whether there is nothing to write.

    A quiet router is the rule; encoding a thousand of its rules to find that out would cost more
    than deciding them. Memory is compared as text, where loops at rest leave no trace.
    """
    if wanted.document != held.document or dict(wanted.claims) != dict(held.claims):
        return False
    if (wanted.untold, wanted.departed) != (held.untold, held.departed):
        return False
    if (dict(wanted.resolved), dict(wanted.targets)) != (dict(held.resolved), dict(held.targets)):
        return False
    return control_memory.encode(wanted.memory) == data.get("memory")


def config_body(router: Body, data: Mapping[str, str], stored: Body | None) -> dict[str, Any]:
    """Return the object to PUT; on top of `stored` where there is one."""
    key = config_key(router["metadata"]["namespace"], router["metadata"]["name"])
    metadata: dict[str, Any] = {
        "name": key.name,
        "namespace": key.namespace,
        "labels": {
            "app.kubernetes.io/name": "modelrouter",
            ROUTER_LABEL: router["metadata"]["name"],
        },
    }
    if stored is not None:
        metadata["resourceVersion"] = stored["metadata"]["resourceVersion"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}


def newest(copies: Iterable[Mapping[str, str]], *, known: int) -> Held | None:
    """Return the readable copy with the highest revision, or None.

    Args:
        copies: data of `<router>-config`, as replicas hold it.
        known: revision that the router's status mentions.
    """
    best: Held | None = None
    for data in copies:
        try:
            held = read(data)
        except UnreadableConfigError:
            continue
        if best is None or held.revision > best.revision:
            best = held
    if best is None or best.document is None:
        return best
    revision = believable(best.revision, known)
    return replace(best, document=replace(best.document, revision=revision))


def believable(revision: int, known: int) -> int:
    """Return a revision that a replica mentions, as far as it is possible.

    Each revision is a write of the operator, and the next one must have room: a number out of the
    air would use up all that there are.

    Args:
        revision: as a replica says.
        known: revision that the router's status mentions.
    """
    return max(0, min(revision, known + LEAP))


def from_status(routes: Iterable[Body]) -> Held | None:
    """Rebuild the memory from the shares that route status recorded; None without any record.

    A shifted share comes back as a loop that is Shifted: it holds until its objective has been
    healthy for long enough, like any other. Revision and claims are not recorded there; the caller
    knows the acknowledged revision, and claims follow age.
    """
    memory: dict[str, RuleMemory] = {}
    recorded = False
    for route in routes:
        seen = {rule["name"]: rule for rule in route.get("status", {}).get("rules", ())}
        written = {rule["name"]: rule for rule in route["spec"]["rules"]}
        for name, told in seen.items():
            shares = {s["name"]: s["share"] for s in told.get("shares", ())}
            recorded = recorded or bool(shares)
            rule = written.get(rule_of_name(name))  # a slice has the pools of its rule
            loops = _loops(rule, shares) if rule is not None else {}
            if loops:
                metadata = route["metadata"]
                key = f"{metadata['namespace']}/{metadata['name']}/{name}"
                memory[key] = RuleMemory(loops=loops)
    return Held(memory=memory) if recorded else None


def _loops(rule: Body, shares: Mapping[str, int]) -> dict[str, LoopMemory]:
    weights = {ref["name"]: ref.get("weight", 1) for ref in rule["backendRefs"]}
    names = [ref["name"] for ref in rule.get("fallbackRefs", ())]
    helping = [name for name in names if shares.get(name)]
    if not helping or sum(shares.values()) != WHOLE:
        return {}
    helper = max(helping, key=lambda name: shares[name])
    return {
        pool: LoopMemory(
            state=State.SHIFTED, w=round(shares.get(pool, 0) / whole, 3), fallback=helper
        )
        for pool, whole in baseline(weights).items()
        if whole and shares.get(pool, 0) < whole
    }
