"""Which slices the rules of a route have: by the objectives that act on some requests only.

An objective with a selector acts on a slice of its rule. Objectives with the same selector share a
slice; the parts of a rule never overlap, so an objective whose selector overlaps that of another
one is refused, and only alerts. Who acts already keeps acting; else the older one does.

A slice that no objective asks for any more stays until its traffic is where its rule's is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.routing.ir import Rule
from tokenfleet.domain.routing.rule_slices import (
    MOST,
    Slice,
    bounds,
    in_order,
    narrowed,
    slice_name,
)

_FAR_FUTURE: Final = datetime.max.replace(tzinfo=UTC)


class Refusal(NamedTuple):
    """Why an objective does not act on what its selector names."""

    reason: str
    """CamelCase."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slicing:
    """The slices of one rule, and the objectives that get none."""

    slices: tuple[Slice, ...] = ()
    """In the order in which the router tries them."""
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    """TokenSLO -> why."""


def selector_of(slo: TokenSLO) -> Slice:
    """Return the requests that an objective is about."""
    selector = slo.spec.selector
    return Slice(
        features=frozenset(selector.features), request_types=frozenset(selector.request_types)
    )


def slicing(route: str, rule: Rule, slos: Iterable[TokenSLO], running: Sequence[Slice]) -> Slicing:
    """Slice one rule.

    Args:
        route: its route.
        rule: as compiled from its spec.
        slos: objectives of the namespace.
        running: slices that the router has and that cannot go yet.
    """
    taken: dict[Slice, str] = {}
    refused: dict[str, Refusal] = {}
    acting = sorted(_acting(route, rule.name, slos), key=lambda slo: _rank(slo, running))
    wanted = {selector_of(slo) for slo in acting}
    leaving = [part for part in running if part not in wanted]
    for slo in acting:
        part, name = selector_of(slo), slo.metadata.name
        if part in taken or part.covers(bounds(rule.matches)):
            continue
        why = _objection(rule, part, taken, leaving)
        if why is None:
            taken[part] = name
        else:
            refused[name] = why
    parts = in_order((*taken, *leaving))
    return Slicing(
        slices=tuple(part for part in parts if narrowed(rule.matches, part)), refused=refused
    )


def _acting(route: str, rule: str, slos: Iterable[TokenSLO]) -> Iterable[TokenSLO]:
    for slo in slos:
        target = slo.spec.target_ref
        mine = target.name == route and target.section_name == rule
        if mine and slo.spec.on_breach.type == "ShiftTraffic" and not selector_of(slo).whole:
            yield slo


def _rank(slo: TokenSLO, running: Sequence[Slice]) -> tuple[bool, datetime, str]:
    created = slo.metadata.creation_timestamp or _FAR_FUTURE
    return selector_of(slo) not in running, created, slo.metadata.name


def _objection(
    rule: Rule, part: Slice, taken: Mapping[Slice, str], leaving: Iterable[Slice]
) -> Refusal | None:
    if not narrowed(rule.matches, part):
        text = f"no request that rule {rule.name} takes is in its selector ({part}); correct one"
        return Refusal("SelectorMatchesNothing", text)
    for other, owner in taken.items():
        if part.overlaps(other):
            text = (
                f"its selector ({part}) overlaps that of TokenSLO {owner} ({other}), which acts on"
                f" rule {rule.name} already; make them equal or apart; until then it only alerts"
            )
            return Refusal("SelectorOverlaps", text)
    for other in leaving:
        # Nested ones can stand beside each other: the narrower one is tried first.
        if part.overlaps(other) and not part.covers(other) and not other.covers(part):
            text = (
                f"its selector ({part}) overlaps {slice_name(rule.name, other)}, whose traffic is"
                " still on its way back; until it is it only alerts"
            )
            return Refusal("SelectorOverlaps", text)
    if len(taken) >= MOST:
        text = f"rule {rule.name} has {MOST} slices already; give some requests a rule of their own"
        return Refusal("TooManySlices", text)
    return None
