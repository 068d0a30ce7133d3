"""The replicas of a pool, as EndpointSlices list them: one reading for operator and router.

The operator counts what the router uses: the same Service, the same of its ports, the same address
family. Slices name the ports of pods by the *name* of the Service's port, never by its number, and
a dual-stack Service has slices of both families for the same pods (discovery.k8s.io/v1).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from tokenfleet.domain.routing.ir import Pool
from tokenfleet.domain.routing.naming import place_of

SERVICE_LABEL: Final = "kubernetes.io/service-name"
"""Label by which an EndpointSlice names its Service."""

Body = Mapping[str, Any]


class Listed(NamedTuple):
    """One replica in a slice."""

    address: str
    port: int
    ready: bool
    serving: bool
    """Also true of a replica that is terminating and still finishes its work."""


def ready_replicas(pool: Pool, slices: Iterable[Body]) -> frozenset[tuple[str, int]]:
    """Return `(address, port)` of the replicas that are ready, each once."""
    return frozenset((one.address, one.port) for one in listed(pool, slices) if one.ready)


def usable_replicas(pool: Pool, slices: Iterable[Body]) -> frozenset[tuple[str, int]]:
    """Return `(address, port)` of the replicas that may be used, each once.

    Ready ones; where there are none, those that still serve although they are terminating, as
    kube-proxy does: the last replica of a rollout finishes its work.
    """
    found = tuple(listed(pool, slices))
    ready = frozenset((one.address, one.port) for one in found if one.ready)
    return ready or frozenset((one.address, one.port) for one in found if one.serving)


def only_names(pool: Pool, slices: Iterable[Body]) -> bool:
    """Say whether the Service's slices hold host names only, which discovery.k8s.io/v1 allows."""
    kinds = {
        body.get("addressType")
        for body in slices
        if body["metadata"].get("labels", {}).get(SERVICE_LABEL) == pool.service
    }
    return kinds == {"FQDN"}


def listed(pool: Pool, slices: Iterable[Body]) -> Iterator[Listed]:
    """Yield every replica of a pool; one that is in two slices comes twice."""
    for body in slices:
        if not _belongs(pool, body):
            continue
        port = _port(pool.port_name, body.get("ports") or ())
        if port is None:
            continue
        for endpoint in body.get("endpoints") or ():
            state = endpoint.get("conditions") or {}
            # Absent means unknown, which consumers should take as ready (EndpointConditions).
            ready = state.get("ready") is not False
            for address in endpoint.get("addresses", ())[:1]:
                yield Listed(address, port, ready, state.get("serving") is True)


def _belongs(pool: Pool, body: Body) -> bool:
    metadata = body["metadata"]
    here = metadata.get("namespace", "")
    if (here, metadata.get("labels", {}).get(SERVICE_LABEL)) != place_of(pool.service, at=here):
        return False
    if body.get("addressType") != pool.family:
        return False
    if pool.service_uid is None:
        return True
    owners = metadata.get("ownerReferences", ())
    return any(owner.get("uid") == pool.service_uid for owner in owners)


def _port(name: str, ports: Iterable[Body]) -> int | None:
    for port in ports:
        known = port.get("port") is not None and (port.get("protocol") or "TCP") == "TCP"
        if known and (port.get("name") or "") == name:
            return int(port["port"])
    return None
