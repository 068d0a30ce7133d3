"""What a request costs and how much of a prompt was cached; and when neither can be said."""

from dataclasses import replace

import pytest

from tests.unit.domain.slo.builders import RULE, WINDOWS, Fleet, facts, level, target, used
from tokenfleet.domain.slo.objectives.spec import Level
from tokenfleet.domain.slo.observation.data_state import Kind
from tokenfleet.domain.slo.observation.measurement import EngineCache, PoolFacts, TokenPrices

PRICES = TokenPrices(prompt=1e-6, cached=1e-7, completion=4e-6, written=1.25e-6)
ALERT = level(shifts=False)
CACHE = level("cache", Level.CACHE, limit=0.3, shifts=False)


def priced(**changes) -> dict[str, PoolFacts]:
    return {name: replace(pool, tokens=PRICES, **changes) for name, pool in facts().items()}


def look(*usage, slo=ALERT, pools=None, engines=None):
    fleet = Fleet(objectives=(), levels=(slo,), pools=pools or priced(), rules=(target(),))
    fleet.usage, fleet.engines = usage, engines or {}
    return fleet.see(demand=1.0).slos[slo.key]


def test_the_mean_cost_is_tokens_times_prices_over_requests() -> None:
    """1000 prompt tokens, 400 of them cached, and 500 of the answer: 0.0006 + 0.00004 + 0.002."""
    view = look(used("large", 1, prompt=1000, cached=400, completion=500))

    assert view.value == "0.00264"
    assert view.met is True
    assert view.burn_rate == pytest.approx(0.264)
    assert view.total == 900


def test_tokens_written_to_a_cache_cost_what_writing_costs() -> None:
    """Of 1000 prompt tokens 400 are read at a tenth and 200 written at a quarter more."""
    view = look(used("large", 1, prompt=1000, cached=400, written=200, completion=500))

    assert float(view.value) == pytest.approx(0.0004 + 0.00004 + 0.00025 + 0.002)


def test_several_pools_add_up() -> None:
    pools = priced()
    pools["team-a/small"] = replace(pools["team-a/small"], tokens=TokenPrices(0, 0, 1e-5, 0))
    view = look(
        used("large", 1, prompt=1000, completion=500),
        used("small", 3, prompt=1000, completion=1000),
        pools=pools,
    )

    assert float(view.value) == pytest.approx((0.003 + 3 * 0.01) / 4)


def test_requests_without_usage_are_left_out_and_never_free() -> None:
    with_all = look(used("large", 1, prompt=1000, completion=500))
    some = look(used("large", 1, prompt=960, completion=480, missing=0.04))

    assert some.value == with_all.value


def test_too_many_requests_without_usage_is_unknown_and_not_cheap() -> None:
    view = look(used("large", 1, prompt=900, completion=450, missing=0.1))

    assert (view.data.kind, view.data.reason) == (Kind.UNKNOWN, "UsageMissing")
    assert "90 of 900 requests to pool large" in view.data.message
    assert view.met is None
    assert view.value == ""


def test_a_pool_without_a_price_is_named() -> None:
    view = look(used("large", 1, prompt=1000), pools=facts())

    assert (view.data.kind, view.data.reason) == (Kind.UNKNOWN, "PriceMissing")
    assert "ServingPool large" in view.data.message


def test_replicas_by_the_hour_are_shared_by_the_requests_of_a_pool() -> None:
    """Two replicas at 12 an hour are 6 for a quarter of an hour; a quarter of the 3600 requests of
    the pool are the objective's: 1.5 for 900 requests.
    """
    fleet = Fleet(
        objectives=(),
        levels=(ALERT,),
        pools={name: replace(pool, hourly=12.0) for name, pool in facts().items()},
    )
    fleet.usage = (used("large", 1),)
    other = RULE._replace(rule="other")
    measured = fleet.measured(demand=1.0)
    rules = {**measured.rules, other: replace(measured.rules[RULE], usage=(used("large", 3),))}
    view = fleet.step(replace(measured, rules=rules)).slos[ALERT.key]

    assert float(view.value) == pytest.approx(1.5 / 900, rel=1e-4)


def test_one_feature_is_judged_alone() -> None:
    dear = replace(used("large", 1, completion=5000), feature="agents")
    cheap = replace(used("large", 1, completion=10), feature="titles")
    view = look(dear, cheap, slo=replace(ALERT, features=frozenset({"titles"})))

    assert view.value == "4e-05"


def test_the_cache_hit_rate_is_weighted_by_tokens() -> None:
    view = look(
        used("large", 1, prompt=1000, cached=900),
        used("small", 1, prompt=3000, cached=1500),
        slo=CACHE,
    )

    assert view.value == "0.600"
    assert view.met is False
    assert view.burn_rate == pytest.approx(0.4 / 0.3)


def test_a_pool_that_does_not_report_cached_tokens_is_read_from_its_engine() -> None:
    once, twice = WINDOWS.level, 2 * WINDOWS.level
    counts = {once: EngineCache(80, 100), twice: EngineCache(100, 200)}
    view = look(
        used("large", 1, prompt=1000, cached=500),
        used("small", 1, prompt=1000),
        slo=CACHE,
        engines={("team-a", "small"): counts, ("team-a", "large"): counts},
    )

    assert view.value == "0.650"  # 500 by the router, 800 by the engine, of 2000


def test_no_cached_token_anywhere_may_be_no_report_and_is_unknown() -> None:
    view = look(used("large", 1, prompt=1000), slo=CACHE)

    assert (view.data.kind, view.data.reason) == (Kind.UNKNOWN, "CacheNotReported")


def test_an_engine_that_says_it_never_hits_is_believed() -> None:
    counts = {WINDOWS.level: EngineCache(0, 100)}
    view = look(used("large", 1, prompt=1000), slo=CACHE, engines={("team-a", "large"): counts})

    assert view.value == "0.000"
    assert view.met is False


def test_few_requests_are_insufficient_and_none_are_no_traffic() -> None:
    few, none = look(used("large", 0.005, prompt=1000)), look()

    assert few.data.kind is Kind.INSUFFICIENT
    assert few.met is None
    assert none.data.kind is Kind.NO_TRAFFIC
