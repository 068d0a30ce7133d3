"""From EndpointSlices to the endpoints of pools. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from tokenfleet.adapters.envoy.clusters import Endpoint
from tokenfleet.domain.routing.ir import Pool
from tokenfleet.domain.routing.slices import SERVICE_LABEL, usable_replicas

Body = Mapping[str, Any]
Endpoints = dict[str, tuple[Endpoint, ...]]


def endpoints(pools: Iterable[Pool], slices: Iterable[Body]) -> dict[str, tuple[Endpoint, ...]]:
    """Return the replicas of each pool that may be used, sorted."""
    by_service: dict[str, list[Body]] = {}
    for body in slices:
        service = body["metadata"].get("labels", {}).get(SERVICE_LABEL)
        if service is not None:
            by_service.setdefault(service, []).append(body)
    return {
        pool.name: tuple(sorted(usable_replicas(pool, by_service.get(pool.service, ()))))
        for pool in pools
    }
