"""What is counted under names that plans no longer have: kept for a while, then forgotten."""

import asyncio
import time
from dataclasses import replace

import pytest

from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.conftest import Fleet
from tests.integration.envoy.test_measurements import scraped
from tokenfleet.domain.routing.ir import RouterConfig

pytestmark = pytest.mark.envoy

FORGET_MS = 300
PLANS = 40
REQUESTS = 'tokenfleet_requests_total{route="chat",rule="'
QUIET = f'{REQUESTS}fast",pool="small",feature="suggestions",request_type="other",outcome="ok"}}'


def named(rule: str) -> RouterConfig:
    """The slow rule under another name; the fast one stays."""
    config = configuration({"large": 1000, "small": 0})
    (route,) = config.routes
    fast, slow = route.rules
    return replace(config, routes=(replace(route, rules=(fast, replace(slow, name=rule))),))


def rules(metrics: dict[str, float]) -> set[str]:
    """Return the rules that an exposition counts anything of."""
    return {name.removeprefix(REQUESTS).partition('"')[0] for name in metrics if REQUESTS in name}


def series(metrics: dict[str, float], rule: str) -> float:
    """Return the requests of a rule that ended well."""
    return sum(
        value
        for name, value in metrics.items()
        if name.startswith(f'{REQUESTS}{rule}"') and 'outcome="ok"' in name
    )


async def test_counts_of_rules_that_are_gone_are_forgotten_and_no_living_one_goes_back(
    fleet: Fleet,
) -> None:
    """The quiet rule is asked once, before all changes: plans hold it without another request."""
    fleet.router.forget_ms = FORGET_MS
    await fleet.serve(named("rule-0"))
    await fleet.ask(headers={"x-tokenfleet-feature": "suggestions"})
    most = 0
    for number in range(PLANS):
        await fleet.serve(named(f"rule-{number}"))
        most = max(most, len(rules(await fleet.metrics())))
        for asked in (1, 2):
            assert (await fleet.ask()).status_code == 200
            found = await scraped(fleet, lambda m, a=asked, n=number: series(m, f"rule-{n}") == a)
            assert found[QUIET] == 1
    last = {"fast", f"rule-{PLANS - 1}"}
    found = await scraped(fleet, lambda metrics: rules(metrics) == last)

    assert found[QUIET] == 1
    assert most > 1, "a rule outlives its plan"
    assert most < PLANS, "rules are forgotten on the way"
    await fleet.serve(named("rule-0"))
    assert (await fleet.ask()).status_code == 200
    await scraped(fleet, lambda metrics: series(metrics, "rule-0") == 1)


async def test_a_rule_that_is_missing_for_a_moment_goes_on_counting(fleet: Fleet) -> None:
    await fleet.serve(named("rule"))
    await fleet.ask()
    await fleet.serve(named("other"))
    await fleet.ask()
    assert series(await scraped(fleet, lambda m: series(m, "other") == 1), "rule") == 1
    await fleet.serve(named("rule"))
    await fleet.ask()

    await scraped(fleet, lambda metrics: series(metrics, "rule") == 2)


async def test_a_stream_under_way_counts_under_the_rule_that_took_it(fleet: Fleet) -> None:
    """However long after its plan it ends."""
    end = asyncio.Event()
    fleet.router.forget_ms = FORGET_MS
    fleet.large.behaviour.last = end
    await fleet.serve(named("old"))
    stream = asyncio.create_task(fleet.ask(stream=True))
    async with asyncio.timeout(60):
        while not fleet.large.requests:
            await asyncio.sleep(0.02)
    await fleet.serve(named("new"))
    until = time.monotonic() + 4 * FORGET_MS / 1000
    while time.monotonic() < until:
        assert "old" in rules(await fleet.metrics())
        await asyncio.sleep(0.05)
    end.set()
    await stream

    await scraped(fleet, lambda metrics: series(metrics, "old") == 1)
    await scraped(fleet, lambda metrics: rules(metrics) == set())
