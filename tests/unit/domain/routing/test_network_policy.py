"""The router's NetworkPolicies allow the documented flows and no others."""

from typing import Any

import pytest

from tests.support.flows import Party, allowed, documented
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.routing.workload import workload

OPERATOR = {"app.kubernetes.io/name": "tokenfleet", "app.kubernetes.io/component": "operator"}
PARTIES = {
    "clients": Party("team", {"app": "web"}),
    "routers": Party("team", {"tokenfleet.dev/router": "default"}),
    "managed pools": Party("team", {"tokenfleet.dev/pool": "large"}),
    "Existing pools": Party("team", {"app": "vllm"}),
    "operator": Party("system", OPERATOR),
    "Prometheus": Party("monitoring", {"app": "prometheus"}),
    "strangers": Party("team", {"app": "stranger"}),
    "impostors": Party("team", OPERATOR),
    "API server": Party(),
    "DNS": Party("kube-system", {"k8s-app": "kube-dns"}),
    "collector": Party("observability", {"app": "otel-collector"}),
}
GOVERNED = ("routers", "managed pools")


def policies(
    access: dict[str, Any] | None, collector: str | None = "otel-collector.observability:4318"
) -> list[dict[str, Any]]:
    tracing = {"tracing": {"endpoint": f"http://{collector}"}} if collector else {}
    router = ModelRouter.model_validate(
        {
            "metadata": {"name": "default", "namespace": "team"},
            "spec": {"managed": {"networkPolicy": access}, **tracing},
        }
    )
    objects = workload(router, "router:1", Platform(operator_namespace="system"))
    return [one for one in objects if one["kind"] == "NetworkPolicy"]


def peers(**labels: str) -> list[dict[str, Any]]:
    return [{"podSelector": {"matchLabels": labels}}]


ACCESS = {
    "clients": peers(app="web"),
    "prometheus": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
            "podSelector": {"matchLabels": {"app": "prometheus"}},
        }
    ],
    "upstreams": peers(app="vllm"),
}


def test_exactly_the_documented_flows_are_open() -> None:
    """Under default deny of what the policies select: routers both ways, pools inwards."""

    def governed(source: str, target: str) -> bool:
        return source == "routers" or target in GOVERNED

    open_ = {flow for flow in allowed(policies(ACCESS), PARTIES) if governed(*flow[:2])}
    wanted = {flow for flow in documented(11) if governed(*flow[:2])}

    assert open_ == wanted


def test_policies_are_made_only_where_they_are_asked_for() -> None:
    assert policies(None) == []
    assert [one["metadata"]["name"] for one in policies({})] == [
        "default-router",
        "default-router-pools",
    ]


def test_without_peers_everybody_may_send_and_scrape_but_nobody_else_comes_in() -> None:
    open_ = allowed(policies({}), PARTIES)

    assert ("strangers", "routers", 8080) in open_
    assert ("strangers", "routers", 9091) in open_
    assert ("strangers", "routers", 9999) not in open_
    assert ("routers", "strangers", 8000) not in open_


@pytest.mark.parametrize(
    ("collector", "peer"),
    [
        ("otel.obs:4318", {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "obs"}}}),
        ("otel.obs.svc:4318", {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "obs"}}}),
        ("otel.obs.svc.cluster.local:4318", {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "obs"}}}),
        ("otel:4318", {"podSelector": {}}),
        ("10.1.2.3:4318/v1/traces", {"ipBlock": {"cidr": "10.1.2.3/32"}}),
        ("otlp.example.com:4318", None),
    ],
)  # fmt: skip
def test_the_way_to_the_collector_is_as_narrow_as_its_name_allows(
    collector: str, peer: dict[str, Any] | None
) -> None:
    router, _ = policies(ACCESS, collector)

    (rule,) = [
        one for one in router["spec"]["egress"] if one.get("ports", [{}])[0].get("port") == 4318
    ]
    assert rule.get("to") == (None if peer is None else [peer])


def test_without_tracing_the_router_reaches_neither_collector_nor_dns() -> None:
    open_ = allowed(policies(ACCESS, None), PARTIES)

    assert not {flow for flow in open_ if flow[0] == "routers" and flow[1] in {"collector", "DNS"}}


def test_providers_are_reached_by_their_ports_and_their_names_by_dns() -> None:
    open_ = allowed(policies({**ACCESS, "providerPorts": [9999]}, None), PARTIES)

    assert {("routers", "strangers", 9999), ("routers", "DNS", 53)} <= open_
    assert ("strangers", "routers", 9999) not in open_
