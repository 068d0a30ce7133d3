"""Flows: the requests per second that a rule asks of a pool, and their entry in the ledger."""

from tokenfleet.domain.slo.control.capacity_ledger import Ledger
from tokenfleet.domain.slo.control.memory import LoopMemory
from tokenfleet.domain.slo.control.shares import baseline
from tokenfleet.domain.slo.observation.measurement import RuleMeasurement, RuleTarget


def flow_of(rule: RuleTarget, pool: str, measured: RuleMeasurement) -> float:
    """Return the requests per second that a backend's weight asks it to take."""
    return (measured.demand or 0.0) * baseline(rule.backends)[pool] / 1000


def arriving(pool: str, measured: RuleMeasurement) -> float:
    """Return the attempts per second on a pool in the shortest window that was measured.

    Several signals count the same attempts: the one that sees most speaks.
    """
    found: dict[tuple[str, str], float] = {}
    for cell in measured.cells:
        if cell.pool == pool and cell.windows:
            window, tally = min(cell.windows.items())
            labels = (cell.feature, cell.request_type)
            rate = tally.total / window.total_seconds()
            found[labels] = max(found.get(labels, 0.0), rate)
    return sum(found.values())


def enter(
    ledger: Ledger, rule: RuleTarget, pool: str, loop: LoopMemory, measured: RuleMeasurement
) -> None:
    """Enter in the ledger what one loop sends to each fallback, and what that costs."""
    flow = flow_of(rule, pool, measured)
    parts = loop.spread
    ledger.costs.enter(rule, f"{rule.key}/{pool}", flow, parts)
    for name in rule.fallbacks:
        moved = flow * parts.get(name, 0) / 1000
        ledger.enter(f"{rule.key.namespace}/{name}", f"{rule.key}/{pool}", moved)
