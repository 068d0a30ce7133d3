"""The cost ledger: what shifts to External pools cost per hour, and what each may still cost.

The limit (`shiftTraffic.maxCostPerHour`) is an objective's own: all rules and slices that it may
shift share it, and whoever shifts one of them counts, for a share moves as a whole. Two objectives
have two limits, also where they shift into the same pool; on a rule of both, both hold.

    cost per hour = requests per second of the rule x part that was shifted there x 3600
                    x mean cost of its request there (request_cost.py)

    limit        |------------------------------------------|  above it: give back (T13, L7)
    FILLED       |------------------------------------|        as far as shifts and givings back go
    - LEAST_GAIN |----------------------------------|          below it: shifts may take more

Between the lowest line and the limit nothing moves for money's sake, so that demand which wavers
moves no traffic to and fro. Like capacity, every loop's money is entered once at its present shares
and again after its step, so the order of rules decides who comes first, never how much fits.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NamedTuple

from tokenfleet.domain.slo.objectives.spec import LEVEL_FACTOR, Promise
from tokenfleet.domain.slo.observation.measurement import RuleKey, RuleTarget
from tokenfleet.domain.slo.observation.request_cost import request_cost
from tokenfleet.domain.slo.observation.snapshot import Snapshot

FILLED: Final = 0.9
"""Part of the limit that shifts fill: demand that grows by a tenth still moves nothing."""
LEAST_GAIN: Final = 0.05
"""Part of the limit; for less, a share is not raised."""
SECONDS: Final = 3600
"""In an hour."""
UNPRICED: Final = math.inf
"""Cost where an External pool has no token prices: nothing may be sent there."""
ROUNDING: Final = 1e-9
"""Relative error of sums that must not count as too much."""


class CostLimit(NamedTuple):
    """What the shifts of one objective may cost."""

    objective: str
    """`namespace/name`."""
    per_hour: float
    """Above 0."""
    window: timedelta
    """In which its requests are counted."""

    @property
    def name(self) -> str:
        """Return the name of the objective."""
        return self.objective.rpartition("/")[2]


class Purse(NamedTuple):
    """What one loop may spend, by the limit that leaves it least."""

    limit: CostLimit
    spending: float
    """Per hour now."""
    allowance: float
    """Most that new shares may cost per hour; never more than a step beyond `spending` is worth."""
    over: bool
    """All that the objective shifts costs more than its limit."""

    @property
    def left(self) -> float:
        """Return what may be spent beyond what is spent now."""
        return max(0.0, self.allowance - self.spending)


@dataclass(slots=True, kw_only=True)
class CostLedger:
    """Money per hour by objective and loop; mutable within one pass, never kept."""

    snapshot: Snapshot = field(default=Snapshot(rules=()))
    limits: Mapping[RuleKey, tuple[CostLimit, ...]] = field(default_factory=dict)
    """Rule or slice -> the limits of those who may shift it; a rule without any is absent."""
    spent: dict[str, dict[str, float]] = field(default_factory=dict)
    """Objective -> loop -> money per hour."""

    def enter(self, rule: RuleTarget, loop: str, flow: float, parts: Mapping[str, int]) -> None:
        """Note what a loop spends; replaces what it spent before.

        Args:
            rule: whose requests.
            loop: the loop.
            flow: requests per second of its baseline.
            parts: fallback -> thousandths of the baseline.
        """
        money = self.money(rule, flow, parts)
        for limit in self.limits.get(rule.key, ()):
            self.spent.setdefault(limit.objective, {})[loop] = money

    def hourly(self, rule: RuleKey, pool: str, flow: float) -> float | None:
        """Return what a flow to a pool costs per hour, as far as a limit is set on that.

        Returns:
            0 where no limit is set, or the pool is no provider's; `UNPRICED`; None: nobody can
            say what a request costs, or how many there are.
        """
        limits = self.limits.get(rule, ())
        facts = self.snapshot.facts(rule.namespace, pool)
        if not limits or not facts.external:
            return 0.0
        if facts.tokens is None:
            return UNPRICED
        window = max(limit.window for limit in limits)
        each = request_cost(self.snapshot, rule, pool, window)
        if each is None or self.snapshot.measured(rule).demand is None:
            return None
        return flow * SECONDS * each

    def money(self, rule: RuleTarget, flow: float, parts: Mapping[str, int]) -> float:
        """Return what parts of a baseline cost per hour where that can be told, else 0 for them."""
        here = {pool: part for pool, part in parts.items() if pool in rule.fallbacks}
        costs = ((self.hourly(rule.key, pool, flow), part) for pool, part in here.items())
        return sum(
            each * part / 1000
            for each, part in costs
            if each is not None and each != UNPRICED and part
        )

    def purse(self, rule: RuleKey, loop: str, spending: float) -> Purse | None:
        """Return what one loop may spend; None: nothing limits it."""
        found = [self._purse(limit, loop, spending) for limit in self.limits.get(rule, ())]
        return min(found, key=lambda purse: (purse.allowance, purse.limit), default=None)

    def total(self, objective: str) -> float:
        """Return what all that an objective shifts costs per hour."""
        return sum(self.spent.get(objective, {}).values())

    def _purse(self, limit: CostLimit, loop: str, spending: float) -> Purse:
        mine = self.spent.get(limit.objective, {})
        others = sum(money for name, money in mine.items() if name != loop)
        over = spending + others > limit.per_hour * (1 + ROUNDING)
        allowance = max(0.0, FILLED * limit.per_hour - others)
        if not over and allowance - spending < LEAST_GAIN * limit.per_hour:
            allowance = spending
        return Purse(limit=limit, spending=spending, allowance=allowance, over=over)


def limits_of(promises: Iterable[Promise]) -> tuple[CostLimit, ...]:
    """Return the limits of objectives that may shift, by name."""
    return tuple(
        sorted(
            CostLimit(slo.key, slo.max_cost_per_hour, slo.windows.short * LEVEL_FACTOR)
            for slo in promises
            if slo.shifts and slo.max_cost_per_hour is not None
        )
    )
