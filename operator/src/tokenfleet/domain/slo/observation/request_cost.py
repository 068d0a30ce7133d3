"""The mean cost of a request that a rule sends to a pool, measured or estimated.

    what was counted of the rule in the window            taken
    ====================================================  ==========================================
    enough requests with usage on that pool               what they cost
    fewer there, some on other pools                      their mean tokens at that pool's prices;
                                                          no prompt counts as cached
    none                                                  nothing can be said

Caches do not move with traffic: a pool that has not served a conversation has nothing cached of it,
so an estimate that took over the cached part would be too low just when a shift begins.
"""

from datetime import timedelta

from tokenfleet.domain.slo.objectives.spec import LEAST_REQUESTS
from tokenfleet.domain.slo.observation.level_readings import cost
from tokenfleet.domain.slo.observation.measurement import RuleKey, Usage
from tokenfleet.domain.slo.observation.snapshot import Snapshot


def request_cost(snapshot: Snapshot, rule: RuleKey, pool: str, window: timedelta) -> float | None:
    """Return the mean cost of one request.

    Args:
        snapshot: what is seen, prices included.
        rule: whose requests.
        pool: where they go; it has token prices, else nothing can be said.
        window: the longest window that is looked at.

    Returns:
        Money, at least 0; None: cannot be said.
    """
    prices = snapshot.facts(rule.namespace, pool).tokens
    if prices is None:
        return None
    own, everywhere = Usage(), Usage()
    for cell in snapshot.measured(rule).usage:
        fitting = [length for length in cell.windows if length <= window]
        if cell.broken or not fitting:
            continue
        used = cell.windows[max(fitting)]
        everywhere = everywhere.plus(used)
        if cell.pool == pool:
            own = own.plus(used)
    if _counted(own) >= LEAST_REQUESTS:
        return cost(own, prices) / _counted(own)
    plain = everywhere._replace(cached=0.0, written=0.0)
    return cost(plain, prices) / _counted(plain) if _counted(plain) >= 1 else None


def _counted(usage: Usage) -> float:
    """Return the requests whose tokens are known."""
    return usage.requests - usage.missing
