"""Everything that one step of the control loop looks at."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tokenfleet.domain.slo.objectives.spec import SCRAPES, LevelObjective, ObjectiveSpec, fitting
from tokenfleet.domain.slo.observation.measurement import (
    NOTHING,
    EngineLoad,
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
class Snapshot:
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

    def fitted(self) -> "Snapshot":
        """Return the snapshot with windows that hold enough scrapes."""
        if self.measurement is None:
            return self
        interval = self.measurement.scrape_interval
        least = SCRAPES * interval
        if all(slo.windows.short >= least for slo in self.objectives):
            return self
        return replace(
            self,
            objectives=tuple(fitting(slo, interval) for slo in self.objectives),
        )

    @property
    def scrape_interval(self) -> timedelta:
        """Return the declared interval between two scrapes; 0 before the first tick."""
        return self.measurement.scrape_interval if self.measurement is not None else timedelta(0)

    def facts(self, namespace: str, pool: str) -> PoolFacts:
        """Return what is known of a pool."""
        return self.pools.get(f"{namespace}/{pool}", NOBODY)

    @property
    def engine_loads(self) -> Mapping[tuple[str, str], EngineLoad]:
        """Return how full engines are by the newest tick."""
        return self.measurement.engine_loads if self.measurement is not None else {}

    def measured(self, rule: RuleKey) -> RuleMeasurement:
        """Return what the newest tick says about a rule; empty where it failed."""
        return self.measurement.rule(rule) if self.measurement is not None else NOTHING
