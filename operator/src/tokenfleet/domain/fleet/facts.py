"""What the control loop is told about a pool."""

from typing import Final

from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.slo.observation.measurement import PoolFacts, TokenPrices

MILLION: Final = 1_000_000
"""Tokens that a token price is for."""


def pool_facts(pool: ServingPool | None, ready: int) -> PoolFacts:
    """Return what Kubernetes says about a pool now.

    Args:
        pool: the pool; None where it is gone, and a rule still has it from before.
        ready: replicas that routers can use.
    """
    if pool is None:
        return PoolFacts(ready=ready, desired=ready)
    capacity = pool.spec.capacity
    return PoolFacts(
        ready=ready,
        desired=pool.spec.replicas if pool.spec.type == "Managed" else ready,
        capacity=float(capacity.requests_per_second) if capacity is not None else None,
        tokens=_token_prices(pool),
        hourly=_hourly(pool),
        external=pool.spec.type == "External",
    )


def _token_prices(pool: ServingPool) -> TokenPrices | None:
    prices = pool.spec.price.per_million_tokens if pool.spec.price is not None else None
    if prices is None:
        return None
    cached = prices.cached_prompt if prices.cached_prompt is not None else prices.prompt
    written = prices.cache_write if prices.cache_write is not None else prices.prompt
    each = (prices.prompt, cached, prices.completion, written)
    return TokenPrices(*(float(price) / MILLION for price in each))


def _hourly(pool: ServingPool) -> float | None:
    price = pool.spec.price.per_replica_hour if pool.spec.price is not None else None
    return float(price) if price is not None else None
