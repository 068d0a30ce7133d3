"""The input of a step, and the decisions in its output."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tokenfleet.domain.slo.memory import Decision
from tokenfleet.domain.slo.objectives import LevelObjective, ObjectiveSpec
from tokenfleet.domain.slo.observation import (
    NOTHING,
    EnginePressure,
    Measurement,
    PoolFacts,
    RouterReplica,
    RuleKey,
    RuleMeasurement,
    RuleTarget,
)

NOBODY = PoolFacts(ready=0, desired=0)
"""A pool that Kubernetes does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything one step looks at; all of one instant."""

    rules: tuple[RuleTarget, ...]
    """Rules that this step decides; the answer has the same ones."""
    objectives: tuple[ObjectiveSpec, ...] = ()
    """TokenSLOs about latency and errors; those of other rules are ignored."""
    levels: tuple[LevelObjective, ...] = ()
    """TokenSLOs about cost and caching; those of other rules are ignored."""
    pools: Mapping[str, PoolFacts] = field(default_factory=dict)
    """`namespace/pool` -> facts; an absent pool has no replica."""
    replicas: tuple[RouterReplica, ...] = ()
    """Ready pods of the router."""
    measurement: Measurement | None = None
    """The newest tick; None before the first one."""
    acknowledged_at: datetime | None = None
    """Since when all ready replicas run the newest configuration; None: they do not yet."""
    actuation: bool = True
    """False: the operator-wide switch is off; nothing shifts, and what is shifted ramps back."""

    def facts(self, namespace: str, pool: str) -> PoolFacts:
        """Return what is known of a pool."""
        return self.pools.get(f"{namespace}/{pool}", NOBODY)

    @property
    def pressures(self) -> Mapping[tuple[str, str], EnginePressure]:
        """Return how full engines are by the newest tick."""
        return self.measurement.pressures if self.measurement is not None else {}

    def measured(self, rule: RuleKey) -> RuleMeasurement:
        """Return what the newest tick says about a rule; empty where it failed."""
        return self.measurement.rule(rule) if self.measurement is not None else NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A decision and where it was taken."""

    rule: RuleKey
    primary: str
    decision: Decision
    id: str
    message: str


@dataclass(frozen=True, slots=True)
class Objectives:
    """Objectives by the rules that they are about, found once per step."""

    by_rule: Mapping[RuleKey, tuple[ObjectiveSpec, ...]]
    by_route: Mapping[tuple[str, str], tuple[ObjectiveSpec, ...]]
    """(namespace, route) -> objectives about the route as a whole."""
    levels: Mapping[RuleKey, tuple[LevelObjective, ...]]
    """Cost and cache objectives that name the rule, by name."""

    @classmethod
    def of(
        cls, objectives: Iterable[ObjectiveSpec], levels: Iterable[LevelObjective] = ()
    ) -> "Objectives":
        """Sort objectives by what they are about."""
        by_level: dict[RuleKey, list[LevelObjective]] = {}
        for level in sorted(levels, key=lambda level: level.name):
            if level.rule is not None:
                key = RuleKey(level.namespace, level.route, level.rule)
                by_level.setdefault(key, []).append(level)
        by_rule: dict[RuleKey, list[ObjectiveSpec]] = {}
        by_route: dict[tuple[str, str], list[ObjectiveSpec]] = {}
        for slo in objectives:
            if slo.rule is None:
                by_route.setdefault((slo.namespace, slo.route), []).append(slo)
            else:
                key = RuleKey(slo.namespace, slo.route, slo.rule)
                by_rule.setdefault(key, []).append(slo)
        return cls(
            {key: tuple(found) for key, found in by_rule.items()},
            {key: tuple(found) for key, found in by_route.items()},
            {key: tuple(found) for key, found in by_level.items()},
        )

    def on(self, rule: RuleKey) -> tuple[ObjectiveSpec, ...]:
        """Return the objectives about a rule, by name."""
        found = (*self.by_rule.get(rule, ()), *self.by_route.get(rule[:2], ()))
        return tuple(sorted(found, key=lambda slo: slo.name))
