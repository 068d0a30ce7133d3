"""Objectives by what they are about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tokenfleet.domain.routing.rule_slices import Slice
from tokenfleet.domain.slo.objectives.spec import LevelObjective, ObjectiveSpec, Promise
from tokenfleet.domain.slo.observation.measurement import RuleKey, RuleTarget


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

    def on(self, rule: RuleTarget) -> tuple[ObjectiveSpec, ...]:
        """Return the objectives about a rule or a slice, by name."""
        found = (*self.by_rule.get(rule.base, ()), *self.by_route.get(rule.base[:2], ()))
        return tuple(sorted((o for o in found if concerns(o, rule)), key=lambda slo: slo.name))

    def levels_on(self, rule: RuleTarget) -> tuple[LevelObjective, ...]:
        """Return the cost and cache objectives about a rule or a slice, by name."""
        return tuple(o for o in self.levels.get(rule.base, ()) if concerns(o, rule))


def concerns(slo: Promise, rule: RuleTarget) -> bool:
    """Tell whether an objective has anything to do with a rule, or with a slice of one.

    One that acts is heard about every part that lies within what it selects: it must answer for
    all that it moves. One that alerts looks at whatever it selects.
    """
    if (slo.namespace, slo.route) != rule.base[:2] or slo.rule not in {None, rule.base.rule}:
        return False
    selected = Slice(features=slo.features, request_types=slo.request_types)
    return selected.covers(rule.scope) if slo.shifts else selected.overlaps(rule.scope)
