"""The chart's NetworkPolicy and the routers' together are the documented flows, all of them."""

import pytest

from tests.integration.chart.conftest import Render
from tests.support.flows import Party, allowed, documented
from tests.unit.domain.routing.test_network_policy import ACCESS, PARTIES, policies

pytestmark = pytest.mark.cluster

SETTINGS = (
    "networkPolicy.enabled=true",
    *(
        f"networkPolicy.{peers}[0].{selector}"
        for peers in ("scrapers", "prometheus")
        for selector in (
            "namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=monitoring",
            "podSelector.matchLabels.app=prometheus",
        )
    ),
)


def test_the_operator_s_flows_are_the_documented_ones(render: Render) -> None:
    objects = render(*SETTINGS)
    mine = [one for one in objects if one["kind"] == "NetworkPolicy"]
    pod = next(one for one in objects if one["kind"] == "Deployment")["spec"]["template"]
    operator = Party("tokenfleet-system", pod["metadata"]["labels"])
    parties = {**PARTIES, "operator": operator}

    def governed(source: str, target: str) -> bool:
        return "operator" in (source, target)

    open_ = {flow for flow in allowed(mine, parties) if governed(*flow[:2])}

    assert len(mine) == 1
    assert open_ == {flow for flow in documented(11) if governed(*flow[:2])}


def test_routers_let_the_chart_s_operator_in(render: Render) -> None:
    pod = next(one for one in render() if one["kind"] == "Deployment")["spec"]["template"]
    parties = {**PARTIES, "operator": Party("system", pod["metadata"]["labels"])}

    assert ("operator", "routers", 9091) in allowed(policies(ACCESS), parties)


def test_without_the_switch_there_is_no_policy(render: Render) -> None:
    assert "NetworkPolicy" not in {one["kind"] for one in render()}
