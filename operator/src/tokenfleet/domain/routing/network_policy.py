"""NetworkPolicies of a router: the flows of docs/network.md, and nothing else."""

from collections.abc import Sequence
from typing import Any, Final

from tokenfleet.api.conventions import POOL_LABEL, ROUTER_LABEL
from tokenfleet.api.v1alpha1.modelrouter import NetworkAccess
from tokenfleet.api.v1alpha1.placement import NetworkPeer
from tokenfleet.domain.pools.engines.vllm import PORT as ENGINE_PORT
from tokenfleet.domain.routing.containers import AGENT_PORT, TRAFFIC_PORT

NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"
"""Label by which the API server names every namespace."""
OPERATOR_LABELS: Final = {
    "app.kubernetes.io/name": "tokenfleet",
    "app.kubernetes.io/component": "operator",
}
"""Labels that the chart gives the operator's pods."""
API_SERVER_PORTS: Final = 443, 6443
"""Of the Service `kubernetes` and of the server behind it: policies see one or the other."""

Body = dict[str, Any]


def router_policy(router: str, access: NetworkAccess, operator_namespace: str) -> Body:
    """Return the spec for the router's pods.

    Args:
        router: name of the ModelRouter.
        access: who may come in, and where requests may go beside managed pools.
        operator_namespace: where the operator's pods are.
    """
    operator = {
        "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: operator_namespace}},
        "podSelector": {"matchLabels": OPERATOR_LABELS},
    }
    pools = {"podSelector": {"matchExpressions": [{"key": POOL_LABEL, "operator": "Exists"}]}}
    return {
        "podSelector": {"matchLabels": {ROUTER_LABEL: router}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            _from(_peers(access.clients), TRAFFIC_PORT),
            _from([operator], AGENT_PORT),
            _from(_peers(access.prometheus), AGENT_PORT),
        ],
        "egress": [
            {"to": [pools], "ports": _ports(ENGINE_PORT)},
            *([{"to": _peers(access.upstreams)}] if access.upstreams else []),
            {"ports": _ports(*API_SERVER_PORTS)},
        ],
    }


def pools_policy(router: str, access: NetworkAccess) -> Body:
    """Return the spec for the managed pools of the router's namespace; policies add up."""
    return {
        "podSelector": {"matchExpressions": [{"key": POOL_LABEL, "operator": "Exists"}]},
        "policyTypes": ["Ingress"],
        "ingress": [
            _from([{"podSelector": {"matchLabels": {ROUTER_LABEL: router}}}], ENGINE_PORT),
            _from(_peers(access.prometheus), ENGINE_PORT),
        ],
    }


def _from(peers: Sequence[Body], port: int) -> Body:
    return {**({"from": list(peers)} if peers else {}), "ports": _ports(port)}


def _peers(peers: Sequence[NetworkPeer]) -> list[Body]:
    return [peer.wire() for peer in peers]


def _ports(*numbers: int) -> list[Body]:
    return [{"port": number, "protocol": "TCP"} for number in numbers]
