"""Judges NetworkPolicies as networking/v1 says, and reads the documented flows."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from tests.house.repository import ROOT

Flow = tuple[str, str, int]
"""From whom, to whom, on which port."""

WELL_KNOWN = {443: "API server", 6443: "API server", 53: "DNS"}
"""Ports that are open towards every address, because nothing selects who listens there."""
PORTS = (8080, 8000, 9090, 9091, 4318, 9999, *WELL_KNOWN)


@dataclass(frozen=True, slots=True)
class Party:
    """Pods of one role; without a namespace something outside the cluster."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    """Of the namespace, besides its name."""


def documented(listening: int) -> set[Flow]:
    """Return the flows of docs/network.md; `theirs` is taken for every port but the well-known."""
    text = (ROOT / "operator/docs/network.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w ]+) \| ([\w ]+) \| ([\d, ]+|theirs) \|", text, re.MULTILINE)
    assert len(rows) >= listening
    found: set[Flow] = set()
    for source, target, ports in rows:
        numbers = PORTS if ports == "theirs" else tuple(int(one) for one in ports.split(","))
        found |= {(source, target, port) for port in numbers if _meant(target, port)}
    return found


def allowed(policies: Sequence[Mapping[str, Any]], parties: Mapping[str, Party]) -> set[Flow]:
    """Return the flows that policies allow in a cluster that isolates whom they select."""
    return {
        (source, target, port)
        for (source, one), (target, other), port in product(parties.items(), parties.items(), PORTS)
        if source != target
        and _meant(target, port)
        and _open(policies, one, other, port, "Egress")
        and _open(policies, other, one, port, "Ingress")
    }


def default_deny(namespace: str) -> dict[str, Any]:
    """Return the policy that refuses everything to and from the pods of a namespace."""
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return {"metadata": {"name": "deny", "namespace": namespace}, "spec": spec}


def _meant(target: str, port: int) -> bool:
    return WELL_KNOWN.get(port, target) == target


def _open(
    policies: Iterable[Mapping[str, Any]], here: Party, there: Party, port: int, way: str
) -> bool:
    mine = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == here.namespace
        and way in policy["spec"]["policyTypes"]
        and _matches(policy["spec"]["podSelector"], here.labels)
    ]
    if not mine:
        return True
    peers, rules = ("to", "egress") if way == "Egress" else ("from", "ingress")
    return any(
        (not rule.get("ports") or port in {one["port"] for one in rule["ports"]})
        and (
            not rule.get(peers)
            or any(_peer(peer, policy["metadata"]["namespace"], there) for peer in rule[peers])
        )
        for policy in mine
        for rule in policy["spec"].get(rules, ())
    )


def _peer(peer: Mapping[str, Any], namespace: str, there: Party) -> bool:
    if not there.namespace:
        return "ipBlock" in peer
    names = {"kubernetes.io/metadata.name": there.namespace, **there.namespace_labels}
    in_namespace = (
        _matches(peer["namespaceSelector"], names)
        if "namespaceSelector" in peer
        else there.namespace == namespace
    )
    return in_namespace and _matches(peer.get("podSelector", {}), there.labels)


def _matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    for one in selector.get("matchExpressions", ()):
        assert one["operator"] in {"Exists", "In"}, one
        if one["key"] not in labels or labels[one["key"]] not in one.get("values", labels.values()):
            return False
    return bool(selector.get("matchLabels", {}).items() <= labels.items())
