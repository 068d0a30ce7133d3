"""Stages of a latency budget, on the real Envoy: reported, measured, matched, and never an error."""

from dataclasses import replace

import pytest

from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.conftest import CHAT, Fleet
from tests.integration.envoy.conftest import pool_of as pool
from tests.integration.envoy.test_measurements import scraped
from tokenfleet.domain.routing.ir import Budget, Match, RouterConfig

pytestmark = pytest.mark.envoy

STAGES = "x-tokenfleet-stages"


def budgeted() -> RouterConfig:
    """500 ms, and the small pool for requests with 150 ms left, or less."""
    config = configuration({"large": 1000, "small": 0})
    (route,) = config.routes
    fast, slow = route.rules
    hurry = replace(fast, name="hurry", matches=(Match(left_max_ms=150),))
    budget = Budget(total_ms=500, stages=("retrieval", "safety", "tools"))
    return replace(config, routes=(replace(route, rules=(hurry, slow), budget=budget),))


def series(stage: str, part: str = "count") -> str:
    return f'tokenfleet_stage_seconds_{part}{{route="chat",stage="{stage}"}}'


async def count(fleet: Fleet, stage: str, part: str = "count") -> float:
    found = await fleet.metrics()
    return found[series(stage, part)]


async def ignored(fleet: Fleet, reason: str) -> float:
    found = await fleet.metrics()
    return found[f'tokenfleet_stages_ignored_total{{route="chat",reason="{reason}"}}']


async def test_requests_whose_budget_is_nearly_spent_take_the_fast_path(fleet: Fleet) -> None:
    await fleet.serve(budgeted())

    assert pool(await fleet.ask()) == "large"
    assert pool(await fleet.ask(headers={STAGES: "retrieval=200ms,tools=149ms"})) == "large"
    assert pool(await fleet.ask(headers={STAGES: "retrieval=200ms,tools=150ms"})) == "small"
    assert pool(await fleet.ask(headers={STAGES: "tools=7s"})) == "small"


async def test_stages_are_counted_with_the_routers_own(fleet: Fleet) -> None:
    await fleet.serve(budgeted())
    await fleet.ask(headers={STAGES: "retrieval=62ms, safety=18ms"})
    await fleet.ask(stream=True)
    names = ("retrieval", "safety", "tools", "routing", "model", "total")

    # An answer's end is counted after its last byte.
    await scraped(fleet, lambda metrics: metrics.get(series("total"), 0) == 2)
    assert [await count(fleet, name) for name in names] == [1, 1, 0, 2, 2, 2]
    assert await count(fleet, "retrieval", "sum") == 0.062
    parts = [await count(fleet, name, "sum") for name in ("routing", "model")]
    assert await count(fleet, "total", "sum") == pytest.approx(0.080 + sum(parts))
    assert all(part > 0 for part in parts)


async def test_what_cannot_be_read_is_counted_and_changes_nothing(fleet: Fleet) -> None:
    await fleet.serve(budgeted())
    for text in ("tools", "tools=soon", "other=9s", "model=9s", "tools=1ms," * 40):
        assert pool(await fleet.ask(headers={STAGES: text})) == "large"
    lines = [(STAGES, "retrieval=200ms"), (STAGES, "tools=200ms")]
    both = await fleet.client.post(CHAT, json={"model": "chat", "messages": []}, headers=lines)

    assert pool(both) == "small", "lines of a header are one list"
    assert await ignored(fleet, "unknown") == 2
    # The last list ends with a comma: 41 items, of which 32 are read.
    assert await ignored(fleet, "malformed") == 1 + 1 + 9


async def test_failed_requests_tell_nothing_of_the_model(fleet: Fleet) -> None:
    await fleet.serve(budgeted())
    for server in (fleet.large, fleet.small):
        server.behaviour.status = 500
    failed = await fleet.ask(headers={STAGES: "tools=1ms"})

    assert failed.status_code == 500
    await scraped(fleet, lambda metrics: metrics.get(series("tools"), 0) == 1)
    assert [await count(fleet, name) for name in ("tools", "model", "total")] == [1, 0, 0]


async def test_a_route_without_a_budget_does_not_look_for_stages(serving: Fleet) -> None:
    await serving.ask(headers={STAGES: "tools=9s"})

    assert not [name for name in await serving.metrics() if "stage" in name]
