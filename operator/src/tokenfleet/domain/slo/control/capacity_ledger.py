"""The capacity ledger: who may still be sent how much, over all rules of one planning pass.

Two rules that shift to the same fallback in the same pass must share its room. Every rule's flow is
entered once at its present shares; a rule that wants to shift is told the room that all the others
leave, and its new flow is entered before the next rule is asked. So the order of rules decides who
comes first, never how much fits.

A pool's capacity is the least of what was declared and of what it was seen not to bear while it
stood in (load_ceilings.py). Its room is `utilization * capacity * ready replicas` minus the flows
of others: of other rules as planned, of rules outside this pass (another router, for example) as
measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tokenfleet.domain.slo.control.cost_ledger import CostLedger
from tokenfleet.domain.slo.observation.measurement import PoolFacts


@dataclass(slots=True)
class Ledger:
    """Flows in requests per second; mutable within one pass, never kept."""

    pools: Mapping[str, PoolFacts]
    """`namespace/pool` -> facts."""
    foreign: Mapping[str, float] = field(default_factory=dict)
    """`namespace/pool` -> requests per second of rules outside this pass."""
    learned: Mapping[str, float] = field(default_factory=dict)
    """`namespace/pool` -> requests per second of one replica that were seen to be too many."""
    flows: dict[str, dict[str, float]] = field(default_factory=dict)
    """`namespace/pool` -> loop -> requests per second that it sends there."""
    sums: dict[str, float] = field(default_factory=dict)
    """`namespace/pool` -> all flows together."""
    costs: CostLedger = field(default_factory=CostLedger)
    """What flows cost, where that is limited."""

    def enter(self, pool: str, loop: str, rate: float) -> None:
        """Note that a loop sends so much to a pool; replaces what the loop sent there before."""
        flows = self.flows.setdefault(pool, {})
        self.sums[pool] = self.sums.get(pool, 0.0) + rate - flows.get(loop, 0.0)
        flows[loop] = rate

    def room(
        self, pool: str, loop: str, utilization: float, *, declared: bool = False
    ) -> float | None:
        """Return what one loop may send to a pool, at least 0; None: capacity unknown.

        Args:
            pool: `namespace/pool`.
            loop: the loop that asks; what it sends there now is not counted.
            utilization: part of the capacity that may be filled; 0..1.
            declared: believe what was declared, whatever was learned.
        """
        facts, learned = self.pools.get(pool), None if declared else self.learned.get(pool)
        known = [c for c in (facts.capacity if facts else None, learned) if c is not None]
        if facts is None or not known:
            return None
        others = self.sums.get(pool, 0.0) - self.flows.get(pool, {}).get(loop, 0.0)
        others += self.foreign.get(pool, 0.0)
        return max(0.0, utilization * min(known) * facts.ready - others)

    def rate(self, pool: str) -> float:
        """Return the requests per second that each ready replica of a pool gets from everybody."""
        facts = self.pools.get(pool)
        flow = self.sums.get(pool, 0.0) + self.foreign.get(pool, 0.0)
        return flow / facts.ready if facts is not None and facts.ready else 0.0

    def least_kept(
        self, pool: str, loop: str, utilization: float, flow: float, *, declared: bool = False
    ) -> float | None:
        """Return the least w of a loop with so much flow that the pool can bear; None if unknown.

        With flow 0 nothing can be too much: 0. For the rest see `room`.
        """
        room = self.room(pool, loop, utilization, declared=declared)
        if room is None:
            return None
        return 0.0 if flow <= 0 else min(1.0, max(0.0, 1.0 - room / flow))
