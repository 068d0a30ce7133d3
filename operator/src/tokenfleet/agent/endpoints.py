"""From EndpointSlices to the endpoints of pools. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tokenfleet.adapters.envoy.clusters import Endpoint
from tokenfleet.domain.routing.ir import Pool

SERVICE_LABEL: Final = "kubernetes.io/service-name"

Body = Mapping[str, Any]
Endpoints = dict[str, tuple[Endpoint, ...]]


def endpoints(pools: Iterable[Pool], slices: Iterable[Body]) -> dict[str, tuple[Endpoint, ...]]:
    """Return the replicas of each pool that may be used, sorted.

    Ready ones; where a pool has none, those that still serve although they are terminating, as
    kube-proxy does: the last replica of a rollout finishes its work.
    """
    by_service: dict[str, list[Body]] = {}
    for body in slices:
        service = body["metadata"].get("labels", {}).get(SERVICE_LABEL)
        if service is not None and body.get("addressType") in ("IPv4", "IPv6"):
            by_service.setdefault(service, []).append(body)
    return {pool.name: _usable(pool, by_service.get(pool.service, [])) for pool in pools}


def _usable(pool: Pool, slices: list[Body]) -> tuple[Endpoint, ...]:
    ready = set(_having(pool, slices, "ready"))
    return tuple(sorted(ready or set(_having(pool, slices, "serving"))))


def _having(pool: Pool, slices: list[Body], condition: str) -> Iterator[Endpoint]:
    for body in slices:
        port = _port(pool, body.get("ports") or [])
        for endpoint in body.get("endpoints") or []:
            # Absent means unknown, which consumers should take as ready (EndpointConditions).
            holds = endpoint.get("conditions", {}).get(condition, condition == "ready")
            if port is not None and holds is not False:
                yield from ((address, port) for address in endpoint.get("addresses", [])[:1])


def _port(pool: Pool, ports: list[Body]) -> int | None:
    """Return the pods' port.

    Slices know the pods' ports by the names of the Service's, not by its numbers. With one port
    there is no question; else the same number, then the port called `http`, is what is meant.
    """
    numbers = [port["port"] for port in ports if port.get("port") is not None]
    if len(numbers) == 1 or pool.port in numbers:
        return numbers[0] if len(numbers) == 1 else pool.port
    named = [port["port"] for port in ports if port.get("name") == "http" and port.get("port")]
    return next(iter(named), None)
