"""The router's NetworkPolicies allow the documented flows and no others."""

from typing import Any

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
}
GOVERNED = ("routers", "managed pools")


def policies(access: dict[str, Any] | None) -> list[dict[str, Any]]:
    router = ModelRouter.model_validate(
        {
            "metadata": {"name": "default", "namespace": "team"},
            "spec": {"managed": {"networkPolicy": access}},
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
