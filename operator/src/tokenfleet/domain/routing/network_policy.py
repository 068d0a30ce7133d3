"""NetworkPolicies of a router: the flows of docs/network.md, and nothing else."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from tokenfleet.api.conventions import POOL_LABEL, ROUTER_LABEL
from tokenfleet.api.v1alpha1.modelrouter import (
    ModelRouter,
    NetworkAccess,
    RouteNamespaces,
    Tracing,
)
from tokenfleet.api.v1alpha1.placement import NetworkPeer
from tokenfleet.domain.pools.engines.engine import PORT as ENGINE_PORT
from tokenfleet.domain.routing.admission import NAMESPACE_LABEL
from tokenfleet.domain.routing.containers import AGENT_PORT, TRAFFIC_PORT

OPERATOR_LABELS: Final = {
    "app.kubernetes.io/name": "tokenfleet",
    "app.kubernetes.io/component": "operator",
}
"""Labels that the chart gives the operator's pods."""
API_SERVER_PORTS: Final = 443, 6443
"""Of the Service `kubernetes` and of the server behind it: policies see one or the other."""

DNS_PORT: Final = 53
HTTP_PORT: Final = 80
CLUSTER_DOMAIN: Final = "cluster.local"

Body = dict[str, Any]

_ANY_POOL: Final = {"matchExpressions": [{"key": POOL_LABEL, "operator": "Exists"}]}


def router_policy(
    router: str,
    access: NetworkAccess,
    operator_namespace: str,
    *,
    allowed: RouteNamespaces | None = None,
    tracing: Tracing | None = None,
) -> Body:
    """Return the spec for the router's pods.

    Args:
        router: name of the ModelRouter.
        access: who may come in, and where requests may go beside managed pools.
        operator_namespace: where the operator's pods are.
        allowed: namespaces whose routes it takes, and whose managed pools it reaches; None: its
            own.
        tracing: where spans go, if anywhere.
    """
    operator = {
        "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: operator_namespace}},
        "podSelector": {"matchLabels": OPERATOR_LABELS},
    }
    pools = {"podSelector": _ANY_POOL}
    guests = [{**one, **pools} for one in _namespaces(allowed)]
    return {
        "podSelector": {"matchLabels": {ROUTER_LABEL: router}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            _from(_peers(access.clients), TRAFFIC_PORT),
            _from([operator], AGENT_PORT),
            _from(_peers(access.prometheus), AGENT_PORT),
        ],
        "egress": [
            {"to": [pools, *guests], "ports": _ports(ENGINE_PORT)},
            *([{"to": _peers(access.upstreams)}] if access.upstreams else []),
            {"ports": _ports(*API_SERVER_PORTS)},
            *(_to_collector(tracing) if tracing else ()),
            *_to_providers(access.provider_ports),
        ],
    }


def pools_policy(router: str, access: NetworkAccess) -> Body:
    """Return the spec for the managed pools of the router's namespace; policies add up."""
    return {
        "podSelector": _ANY_POOL,
        "policyTypes": ["Ingress"],
        "ingress": [
            _from([{"podSelector": {"matchLabels": {ROUTER_LABEL: router}}}], ENGINE_PORT),
            _from(_peers(access.prometheus), ENGINE_PORT),
        ],
    }


def guests_policy(pools: Sequence[str], routers: Sequence[ModelRouter]) -> Body:
    """Return the spec for managed pools that routers of other namespaces send requests to.

    Routers of the pools' own namespace may go on reaching them, whether they make policies or not.

    Args:
        pools: names of ServingPools.
        routers: ModelRouters of other namespaces; those that make policies.
    """
    own: Body = {"podSelector": {"matchExpressions": [{"key": ROUTER_LABEL, "operator": "Exists"}]}}
    guests = [
        {
            "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: router.metadata.namespace}},
            "podSelector": {"matchLabels": {ROUTER_LABEL: router.metadata.name}},
        }
        for router in routers
    ]
    access = [router.spec.managed.network_policy or NetworkAccess() for router in routers]
    scrapers = [_peers(one.prometheus) for one in access]
    # One of them lets everybody scrape.
    peers = [peer for found in scrapers for peer in found] if all(scrapers) else []
    selector = {"matchExpressions": [{"key": POOL_LABEL, "operator": "In", "values": list(pools)}]}
    return {
        "podSelector": selector,
        "policyTypes": ["Ingress"],
        "ingress": [_from([own, *guests], ENGINE_PORT), _from(peers, ENGINE_PORT)],
    }


def _namespaces(allowed: RouteNamespaces | None) -> list[Body]:
    """Return the other namespaces whose routes a router takes, as parts of peers."""
    if allowed is None or allowed.from_ == "Same":
        return []
    selector = allowed.selector.wire() if allowed.selector is not None else {}
    return [{"namespaceSelector": selector}]


def _to_collector(tracing: Tracing) -> list[Body]:
    """Return the way to the collector, and to DNS where it has a name."""
    url = urlsplit(tracing.endpoint)
    port, host = _ports(url.port or HTTP_PORT), url.hostname or ""
    try:
        return [{"to": [{"ipBlock": {"cidr": f"{ip_address(host)}/32"}}], "ports": port}]
    except ValueError:
        peers = _where(host)
    return [{**({"to": peers} if peers else {}), "ports": port}, _to_dns()]


def _to_providers(ports: Sequence[int]) -> list[Body]:
    """Return the way to providers: their addresses change, so only ports can be named."""
    return [{"ports": _ports(*ports)}, _to_dns()] if ports else []


def _to_dns() -> Body:
    return {"ports": [{"port": DNS_PORT, "protocol": protocol} for protocol in ("UDP", "TCP")]}


def _where(host: str) -> list[Body]:
    """Return who can stand behind a name: a Service's namespace, else anybody."""
    match host.removesuffix(".").removesuffix(f".{CLUSTER_DOMAIN}").split("."):
        case [_]:
            return [{"podSelector": {}}]
        case [_, namespace] | [_, namespace, "svc"]:
            return [{"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace}}}]
        case _:
            return []


def _from(peers: Sequence[Body], port: int) -> Body:
    return {**({"from": list(peers)} if peers else {}), "ports": _ports(port)}


def _peers(peers: Sequence[NetworkPeer]) -> list[Body]:
    return [peer.wire() for peer in peers]


def _ports(*numbers: int) -> list[Body]:
    return [{"port": number, "protocol": "TCP"} for number in numbers]
