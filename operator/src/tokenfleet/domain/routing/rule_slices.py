"""Slices: parts of a rule that have shares of their own, because an objective acts on them alone.

    rule answers, objective with the selector {requestTypes: [chat]}, ShiftTraffic

    answers[type=chat]   requests of the type chat, with shares, memory and status of their own
    answers              the rest

The router tries a slice before its rule, and the narrower of two slices first. Everywhere else a
slice is a rule: pools, weights and conditions are its rule's, the name says the rest. Metrics of
requests stay under the rule's own name, split by their labels feature and request type.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from tokenfleet.domain.routing.ir import Match

MOST: Final = 8
"""Slices of one rule."""

_ALL: Final = 1_000
"""Stands for the size of a set without limits; the API takes 32 values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Requests by what is known of them before routing; an empty set means all."""

    features: frozenset[str] = frozenset()
    request_types: frozenset[str] = frozenset()

    @property
    def whole(self) -> bool:
        """Tell whether it holds every request."""
        return not self.features and not self.request_types

    @property
    def width(self) -> tuple[int, str]:
        """Return what orders slices: a part of another one comes before it, and ties go by name."""
        sizes = len(self.features) or _ALL, len(self.request_types) or _ALL
        return sum(sizes), str(self)

    def covers(self, other: "Slice") -> bool:
        """Tell whether every request of the other is in this one."""
        return _covers(self.features, other.features) and _covers(
            self.request_types, other.request_types
        )

    def overlaps(self, other: "Slice") -> bool:
        """Tell whether a request can be in both."""
        return _overlaps(self.features, other.features) and _overlaps(
            self.request_types, other.request_types
        )

    def holds(self, feature: str, request_type: str) -> bool:
        """Tell whether requests with these labels are in it."""
        return (not self.features or feature in self.features) and (
            not self.request_types or request_type in self.request_types
        )

    def __str__(self) -> str:
        """Write it as names have it: `feature=a+b,type=chat`; empty for all."""
        parts = (("feature", self.features), ("type", self.request_types))
        return ",".join(f"{key}={'+'.join(sorted(some))}" for key, some in parts if some)


WHOLE: Final = Slice()
"""Every request."""


def slice_name(rule: str, part: Slice) -> str:
    """Return the name of a slice of a rule: `answers[type=chat]`; the rule's for all of it."""
    return rule if part.whole else f"{rule}[{part}]"


def rule_of_name(name: str) -> str:
    """Return the name of the rule that a rule or a slice belongs to."""
    return name.partition("[")[0]


def slice_of_name(name: str) -> Slice:
    """Return what the name of a slice holds; `WHOLE` for a rule's own name."""
    sets = dict.fromkeys(("feature", "type"), frozenset[str]())
    for part in filter(None, name.partition("[")[2].removesuffix("]").split(",")):
        key, _, values = part.partition("=")
        sets[key] = frozenset(values.split("+"))
    return Slice(features=sets["feature"], request_types=sets["type"])


def in_order(slices: Iterable[Slice]) -> tuple[Slice, ...]:
    """Return slices in the order in which the router tries them: a part before what holds it."""
    return tuple(sorted(set(slices), key=lambda part: part.width))


def smallest(slices: Iterable[Slice], part: Slice) -> Slice:
    """Return the smallest of the slices that holds a part; the whole rule where none does."""
    return min(
        (one for one in slices if one.covers(part)), key=lambda one: one.width, default=WHOLE
    )


def bounds(matches: Iterable[Match]) -> Slice:
    """Return the smallest slice that holds every request of a rule."""
    alternatives = list(matches)
    return Slice(
        features=_union(match.features for match in alternatives),
        request_types=_union(match.request_types for match in alternatives),
    )


def narrowed(matches: tuple[Match, ...], part: Slice) -> tuple[Match, ...]:
    """Return the conditions of a slice of a rule; empty: no request of the rule is in it."""
    found = []
    for match in matches or (Match(),):
        own = Slice(
            features=frozenset(match.features), request_types=frozenset(match.request_types)
        )
        if own.overlaps(part):
            found.append(
                replace(
                    match,
                    features=_both(own.features, part.features),
                    request_types=_both(own.request_types, part.request_types),
                )
            )
    return tuple(found)


def _covers(mine: frozenset[str], other: frozenset[str]) -> bool:
    return not mine or (bool(other) and other <= mine)


def _overlaps(mine: frozenset[str], other: frozenset[str]) -> bool:
    return not mine or not other or bool(mine & other)


def _both(mine: frozenset[str], other: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(mine & other if mine and other else mine | other))


def _union(sets: Iterable[tuple[str, ...]]) -> frozenset[str]:
    found = [frozenset(one) for one in sets]
    return frozenset[str]().union(*found) if all(found) else frozenset()
