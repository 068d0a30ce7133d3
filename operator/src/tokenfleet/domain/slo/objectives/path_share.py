"""The part of a route's requests that one rule took: measured, promised, never steered.

Requests count once, when a rule takes them, whatever becomes of them. The measure is over an hour,
because it tells how traffic is made up - how much of it is small enough for the fast path - and not
how well it is served. No shift can mend it: rules choose by what requests are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.slo.observation.measurement import RuleKey

WINDOW: Final = timedelta(hours=1)
"""Long enough for a lunch-break lull to weigh little; short enough to see a release within it."""

LEAST: Final = 20
"""Fewest requests in the window that have a share."""


class Taken(NamedTuple):
    """Requests that a rule took in the window, under one pair of labels."""

    rule: RuleKey
    feature: str
    """Empty where the query did not split by labels."""
    request_type: str
    requests: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PathShare:
    """A TokenSLO about the part that a rule takes of its route's requests."""

    namespace: str
    name: str
    route: str
    rule: str
    features: frozenset[str] = frozenset()
    """Empty means all."""
    request_types: frozenset[str] = frozenset()
    """Empty means all."""
    least: float
    """Smallest share that is promised; 0..1."""

    @property
    def key(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def selects(self) -> bool:
        """Tell whether it is about some of the route's requests only."""
        return bool(self.features or self.request_types)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What an hour showed."""

    requests: float
    """Of the whole route."""
    taken: float
    """By the rule."""

    @property
    def part(self) -> float | None:
        """Return the rule's part, 0..1; None: too few requests to say."""
        return self.taken / self.requests if self.requests >= LEAST else None


def path_share_of(slo: TokenSLO) -> PathShare | None:
    """Read a TokenSLO about the share of a path; None: it is about something else."""
    promised, target = slo.spec.objective.fast_path_share, slo.spec.target_ref
    if promised is None or target.section_name is None:
        return None
    return PathShare(
        namespace=slo.metadata.namespace,
        name=slo.metadata.name,
        route=target.name,
        rule=target.section_name,
        features=frozenset(slo.spec.selector.features),
        request_types=frozenset(slo.spec.selector.request_types),
        least=float(promised.min),
    )


def share(objective: PathShare, taken: Iterable[Taken]) -> Share:
    """Return what the objective is about, of what was measured."""
    mine = [
        one
        for one in taken
        if one.rule[:2] == (objective.namespace, objective.route) and _selected(objective, one)
    ]
    return Share(
        requests=sum(one.requests for one in mine),
        taken=sum(one.requests for one in mine if one.rule.rule == objective.rule),
    )


def shares(taken: Iterable[Taken]) -> dict[RuleKey, float]:
    """Return every rule's part of its route's requests; rules of routes with too few are absent."""
    rules: dict[RuleKey, float] = {}
    routes: dict[tuple[str, str], float] = {}
    for one in taken:
        rules[one.rule] = rules.get(one.rule, 0.0) + one.requests
        routes[one.rule[:2]] = routes.get(one.rule[:2], 0.0) + one.requests
    return _parts(rules, routes)


def _parts(
    rules: Mapping[RuleKey, float], routes: Mapping[tuple[str, str], float]
) -> dict[RuleKey, float]:
    found = {
        rule: Share(requests=routes[rule[:2]], taken=taken).part for rule, taken in rules.items()
    }
    return {rule: part for rule, part in found.items() if part is not None}


def _selected(objective: PathShare, one: Taken) -> bool:
    features, kinds = objective.features, objective.request_types
    return (not features or one.feature in features) and (not kinds or one.request_type in kinds)
