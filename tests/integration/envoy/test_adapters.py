"""Adapters on the real Envoy: the model name that each attempt asks for."""

from dataclasses import replace

import pytest

from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.conftest import Fleet, served_by
from tokenfleet.domain.routing.ir import AdapterUse

pytestmark = pytest.mark.envoy


async def test_each_attempt_asks_for_the_adapter_that_the_rule_names(fleet: Fleet) -> None:
    """The pools are the same as those of the rule before, which asks them for their own models."""
    config = configuration({"large": 1000, "small": 0})
    (route,) = config.routes
    uses = (
        AdapterUse(pool="large", adapter="legal"),
        AdapterUse(pool="small", adapter="legal-small"),
    )
    last = replace(route.rules[-1], adapters=uses)
    route = replace(route, rules=(*route.rules[:-1], last))
    await fleet.serve(replace(config, routes=(route,)))

    first = await fleet.ask(headers={"x-tokenfleet-feature": "generation"})
    await fleet.ask(headers={"x-tokenfleet-feature": "suggestions"})
    fleet.large.behaviour.status = 503
    second = await fleet.ask(headers={"x-tokenfleet-feature": "generation"})

    assert [request["model"] for request in fleet.large.requests] == ["legal", "legal"]
    assert [request["model"] for request in fleet.small.requests] == ["llama-3b", "legal-small"]
    assert [served_by(answer)[2:] for answer in (first, second)] == [("large", 1), ("small", 2)]
