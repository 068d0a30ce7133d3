"""What the shifts of one objective cost per hour, against its limit; for people."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from tokenfleet.domain.slo.control.cost_bound import unpriced_words
from tokenfleet.domain.slo.control.cost_ledger import FILLED, LEAST_GAIN, UNPRICED, CostLedger
from tokenfleet.domain.slo.objectives.spec import Promise
from tokenfleet.domain.slo.observation.measurement import RuleTarget

Room = Literal["WithinLimit", "LimitReached", "TokenPricesMissing", "NotMeasured"]


class ShiftCost(NamedTuple):
    """Money of one objective's shifts."""

    per_hour: float
    limit: float
    room: Room
    """Whether more may be shifted to External pools, else why not."""
    message: str
    """What to do, or the limit; it changes only when `room` does."""


def shift_cost(slo: Promise, rules: Iterable[RuleTarget], costs: CostLedger) -> ShiftCost | None:
    """Describe it; None where the objective sets no limit.

    Args:
        slo: the objective.
        rules: the rules and slices that it is about.
        costs: the ledger after the step.
    """
    limit = slo.max_cost_per_hour
    if limit is None:
        return None
    spent = costs.total(slo.key)
    room, message = _room(rules, costs)
    if room == "WithinLimit" and spent > (FILLED - LEAST_GAIN) * limit:
        room = "LimitReached"
        message = (
            f"shifts fill what maxCostPerHour {limit:g} leaves: no more is shifted to External"
            " pools; raise it, or name a fallback of your own"
        )
    return ShiftCost(per_hour=spent, limit=limit, room=room, message=message)


def _room(rules: Iterable[RuleTarget], costs: CostLedger) -> tuple[Room, str]:
    said: tuple[Room, str] = ("WithinLimit", "")
    for rule in rules:
        for pool in rule.fallbacks:
            hourly = costs.hourly(rule.key, pool, 1.0) if pool not in rule.backends else 0.0
            if hourly == UNPRICED:
                return "TokenPricesMissing", f"{unpriced_words(pool)}; nothing is shifted there"
            if hourly is None:
                text = (
                    f"nobody can say what a request of rule {rule.key.rule} costs at External pool"
                    f" {pool}: no answer of the rule came with usage lately; what is shifted there"
                    " stays as it is"
                )
                said = ("NotMeasured", text)
    return said
