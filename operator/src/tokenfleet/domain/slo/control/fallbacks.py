"""Fallbacks: which of them stands by for one backend of a rule, and what it can take."""

from collections.abc import Mapping
from dataclasses import dataclass

from tokenfleet.domain.slo.control.capacity_ledger import Ledger
from tokenfleet.domain.slo.control.transition import Standby
from tokenfleet.domain.slo.observation.measurement import RuleTarget
from tokenfleet.domain.slo.observation.saturation import full
from tokenfleet.domain.slo.observation.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallbacks:
    """What one decision knows of the fallbacks of a rule."""

    snapshot: Snapshot
    rule: RuleTarget
    ledger: Ledger
    primary: str
    """The backend whose rest they would take."""
    bad: Mapping[str, bool]
    """Pool -> whether it is probed bad."""
    utilization: float
    """Part of their capacity that shifts may fill."""
    flow: float
    """Requests per second of the primary as written."""

    def choose(self, present: str) -> Standby | None:
        """Return the present one as long as it serves, else the first that can.

        Returns:
            None where the rule has no fallback; one with `ready` 0 where none of them serves.
        """
        chain = [self.of(pool) for pool in self.rule.fallbacks if pool not in self.rule.backends]
        serving = [standby for standby in chain if standby.ready > 0]
        kept = [standby for standby in serving if standby.pool == present]
        sound = [standby for standby in serving if standby.ok]
        return next(iter([*kept, *sound, *serving, *chain]), None)

    def of(self, pool: str) -> Standby:
        """Describe one of them."""
        namespace = self.rule.key.namespace
        place, loop = f"{namespace}/{pool}", f"{self.rule.key}/{self.primary}"
        return Standby(
            pool=pool,
            ready=self.snapshot.facts(namespace, pool).ready,
            bad=self.bad.get(pool, False),
            full=full(self.snapshot.engine_loads, namespace, pool),
            least_kept=self.ledger.least_kept(place, loop, self.utilization, self.flow),
            rate=self.ledger.rate(place),
        )
