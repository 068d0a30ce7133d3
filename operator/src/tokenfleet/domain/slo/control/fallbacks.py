"""Fallbacks: what each of a rule's can take from one backend, and how it does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.domain.slo.control.capacity_ledger import Ledger
from tokenfleet.domain.slo.control.cost_ledger import UNPRICED, CostLedger
from tokenfleet.domain.slo.control.load_ceilings import on_trial
from tokenfleet.domain.slo.control.memory import REST, LoopMemory
from tokenfleet.domain.slo.control.transition import Standby
from tokenfleet.domain.slo.control.votes import Ballot
from tokenfleet.domain.slo.observation.evidence import EVER
from tokenfleet.domain.slo.observation.measurement import RuleTarget
from tokenfleet.domain.slo.observation.saturation import full, queueing
from tokenfleet.domain.slo.observation.snapshot import Snapshot

EASY: Final = 0.25
"""Part of its declared capacity up to which load is no reason to be bad, even where twice as much
was declared as is true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallbacks:
    """What one decision knows of the fallbacks of a rule."""

    snapshot: Snapshot
    rule: RuleTarget
    ledger: Ledger
    primary: str
    """The backend whose rest they would take."""
    ballots: Mapping[str, Ballot]
    """Pool -> the votes that count."""
    utilization: float
    """Part of their capacity that shifts may fill."""
    flow: float
    """Requests per second of the primary as written."""
    now: datetime
    loop: LoopMemory = field(default=REST)
    """The loop of the primary."""
    age: timedelta = EVER
    """How long its share has been in effect."""
    costs: CostLedger | None = None
    """What they cost; None: nobody asks."""

    def chain(self) -> tuple[Standby, ...]:
        """Describe all of them, in the order of the rule."""
        pools = [pool for pool in self.rule.fallbacks if pool not in self.rule.backends]
        return tuple(self.of(pool) for pool in pools)

    def choose(self, present: str) -> Standby | None:
        """Return the present one as long as it serves, else the first that can.

        Returns:
            None where the rule has no fallback; one with `ready` 0 where none of them serves.
        """
        chain = self.chain()
        serving = [standby for standby in chain if standby.ready > 0]
        kept = [standby for standby in serving if standby.pool == present]
        sound = [s for s in serving if s.ok and s.hourly is not None and s.hourly != UNPRICED]
        return next(iter([*kept, *sound, *serving, *chain]), None)

    def of(self, pool: str) -> Standby:
        """Describe one of them."""
        namespace = self.rule.key.namespace
        place, loop = f"{namespace}/{pool}", f"{self.rule.key}/{self.primary}"
        used = self.loop.spread.get(pool, 0) / 1000
        level = self.loop.bad_level if self.loop.bad_level is not None else 0.0
        mine, primary = self.ballots[pool], self.ballots[self.primary]
        facts, rate = self.snapshot.facts(namespace, pool), self.ledger.rate(place)
        queues = queueing(self.snapshot.engine_loads, namespace, pool)
        worse = mine.suffers_more(primary, self.age if used else EVER, level)
        return Standby(
            pool=pool,
            ready=facts.ready,
            bad=worse is not None,
            full=full(self.snapshot.engine_loads, namespace, pool),
            least_kept=self.ledger.least_kept(place, loop, self.utilization, self.flow),
            least_declared=self.ledger.least_kept(
                place, loop, self.utilization, self.flow, declared=True
            )
            or 0.0,
            rate=rate,
            used=used,
            worse=worse if used else None,
            worse_than_left=worse is not None and worse.lower > level,
            easy=queues is False or (facts.capacity is not None and rate <= EASY * facts.capacity),
            queueing=queues is True,
            trial=on_trial(self.loop.limits.get(pool), self.now),
            hourly=self.costs.hourly(self.rule.key, pool, self.flow) if self.costs else 0.0,
        )
