"""Whether a fallback can take the requests of a rule.

A request that the rule's own backends accept must not be refused by the pool that stands in. What
is compared is the context window. A token is at least one byte, so a bound on the body's bytes is a
bound on the prompt's tokens; a rule whose every match bounds `requestBytes` below the smaller
window keeps its fallback.
"""

from collections.abc import Sequence

from tokenfleet.api.conditions import RESOLVED_REFS
from tokenfleet.api.v1alpha1.modelroute import RouteRule
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.problems import Problem


def objection(
    rule: RouteRule, backends: Sequence[ServingPool], fallback: ServingPool
) -> Problem | None:
    """Return why a fallback cannot stand in for a rule's backends, or None when it can.

    A pool without `contextWindow` is taken to have room.
    """
    window = fallback.spec.served.window_tokens
    wide = [
        (pool.spec.served.window_tokens, pool.metadata.name)
        for pool in backends
        if pool.spec.served.window_tokens is not None
    ]
    if window is None or not wide:
        return None
    needed, backend = max(wide)
    if window >= needed or _largest_request(rule, needed) <= window:
        return None
    name = fallback.metadata.name
    return Problem(
        condition=RESOLVED_REFS,
        reason="IncompatibleFallback",
        message=f"rule {rule.name} does not fall back to ServingPool {name}: its context window of"
        f" {window} tokens is smaller than the {needed} of ServingPool {backend}; bound"
        f" requestBytes.max to {window} in every match of the rule, or choose another fallback",
    )


def _largest_request(rule: RouteRule, otherwise: int) -> int:
    """Return the most tokens that a request of the rule can have."""
    bounds = [match.request_bytes.max if match.request_bytes else None for match in rule.matches]
    if not bounds or any(bound is None for bound in bounds):
        return otherwise
    return max(bound for bound in bounds if bound is not None)
