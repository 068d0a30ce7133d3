"""Replicas that serve, as EndpointSlices tell."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.slo.observation.measurement import PoolFacts, TokenPrices

Body = Mapping[str, Any]

MILLION: Final = 1_000_000
"""Tokens that a token price is for."""


def ready_endpoints(slices: Iterable[Body]) -> int:
    """Count the endpoints that are ready; an endpoint in several slices counts once."""
    return len(
        {
            _identity(endpoint)
            for body in slices
            for endpoint in body.get("endpoints") or ()
            # Absent means ready (discovery.k8s.io/v1, EndpointConditions).
            if (endpoint.get("conditions") or {}).get("ready", True) is not False
        }
    )


def pool_facts(pool: ServingPool, slices: Iterable[Body]) -> PoolFacts:
    """Return what Kubernetes says about a pool now."""
    ready = ready_endpoints(slices)
    capacity = pool.spec.capacity
    return PoolFacts(
        ready=ready,
        desired=pool.spec.replicas if pool.spec.type == "Managed" else ready,
        capacity=float(capacity.requests_per_second) if capacity is not None else None,
        tokens=_token_prices(pool),
        hourly=_hourly(pool),
    )


def _token_prices(pool: ServingPool) -> TokenPrices | None:
    prices = pool.spec.price.per_million_tokens if pool.spec.price is not None else None
    if prices is None:
        return None
    cached = prices.cached_prompt if prices.cached_prompt is not None else prices.prompt
    each = (float(price) / MILLION for price in (prices.prompt, cached, prices.completion))
    return TokenPrices(*each)


def _hourly(pool: ServingPool) -> float | None:
    price = pool.spec.price.per_replica_hour if pool.spec.price is not None else None
    return float(price) if price is not None else None


def _identity(endpoint: Body) -> str:
    target = endpoint.get("targetRef") or {}
    # Dual-stack Services list each pod once per address family.
    return str(target.get("uid") or target.get("name") or (endpoint.get("addresses") or [""])[0])
