"""From EndpointSlices to the endpoints of pools. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from tokenfleet.adapters.envoy.clusters import Endpoint
from tokenfleet.domain.routing.ir import Pool
from tokenfleet.domain.routing.naming import local_name
from tokenfleet.domain.routing.slices import SERVICE_LABEL, usable_replicas

Body = Mapping[str, Any]
Endpoints = dict[str, tuple[Endpoint, ...]]


def endpoints(
    pools: Iterable[Pool], slices: Iterable[Body], *, at: str
) -> dict[str, tuple[Endpoint, ...]]:
    """Return the replicas of each pool that may be used, sorted.

    Args:
        pools: as a router calls them.
        slices: of every namespace that they are in.
        at: the router's namespace.
    """
    by_service: dict[str, list[Body]] = {}
    for body in slices:
        metadata = body["metadata"]
        service = metadata.get("labels", {}).get(SERVICE_LABEL)
        if service is not None:
            local = local_name(metadata.get("namespace", at), service, at=at)
            by_service.setdefault(local, []).append(body)
    return {
        pool.name: tuple(sorted(usable_replicas(pool, by_service.get(pool.service, ()))))
        for pool in pools
    }
