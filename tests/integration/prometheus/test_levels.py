"""Tokens, money and cache hits: the numbers that went in come out as cost and as hit rate."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.integration.prometheus.conftest import Prometheus
from tests.integration.prometheus.look import expected, look
from tests.integration.prometheus.recorded import NOW, Recorded
from tests.integration.prometheus.test_measure import LABELS, RULE
from tests.unit.domain.slo.builders import facts, level, target
from tokenfleet.adapters.prometheus.latency_stages import stages_took
from tokenfleet.adapters.prometheus.path_shares import requests_taken
from tokenfleet.adapters.prometheus.source import Access, PrometheusSource
from tokenfleet.adapters.prometheus.spending import pieces
from tokenfleet.adapters.prometheus.used import used
from tokenfleet.domain.slo.objectives.path_share import shares
from tokenfleet.domain.slo.objectives.spec import Level, LevelObjective, Windows
from tokenfleet.domain.slo.observation.data_state import Kind
from tokenfleet.domain.slo.observation.level_readings import Reading, Span, reading
from tokenfleet.domain.slo.observation.measurement import EngineLoad, TokenPrices
from tokenfleet.domain.slo.observation.quantiles import quantile_of
from tokenfleet.domain.slo.observation.snapshot import Snapshot

WINDOWS = Windows(short=timedelta(seconds=5), long=timedelta(seconds=6))
COST = level(windows=WINDOWS, min_coverage=0.5)
CACHE = level("cache", Level.CACHE, limit=0.3, windows=WINDOWS, min_coverage=0.5)
WRITTEN = "tokenfleet_cache_creation_prompt_tokens_total"
PRICES = TokenPrices(prompt=1e-6, cached=1e-7, completion=4e-6, written=1.25e-6)

PER_SECOND = {
    "large": {"requests": 10, "prompt": 1000, "cached": 400, "written": 200, "completion": 500},
    "small": {"requests": 10, "prompt": 1000, "cached": 0, "written": 0, "completion": 500},
}
"""The small pool does not report cached tokens; its engine counts 3 hits of 4."""


def exposition(seconds: float) -> str:
    lines = []
    for pool, rates in PER_SECOND.items():
        labels = f'{LABELS},pool="{pool}"'
        lines += [
            f'tokenfleet_requests_total{{{labels},outcome="ok"}} {rates["requests"] * seconds}',
            f'tokenfleet_requests_total{{{labels},outcome="server_error"}} {7 * seconds}',
            f"tokenfleet_requests_started_total{{{labels}}} {17 * seconds}",
            f"tokenfleet_usage_missing_total{{{labels}}} {0.2 * seconds}",
            f"tokenfleet_prompt_tokens_total{{{labels}}} {rates['prompt'] * seconds}",
            f"tokenfleet_cached_prompt_tokens_total{{{labels}}} {rates['cached'] * seconds}",
            f"{WRITTEN}{{{labels}}} {rates['written'] * seconds}",
            f"tokenfleet_completion_tokens_total{{{labels}}} {rates['completion'] * seconds}",
        ]
    fast = 'route="chat",rule="fast",feature="search",request_type="other",pool="small"'
    lines += [f"tokenfleet_requests_started_total{{{fast}}} {66 * seconds}"]
    for boundary, part in (("0.05", 50), ("0.1", 100), ("+Inf", 100)):
        stage = f'route="chat",stage="retrieval",le="{boundary}"'
        lines += [f"tokenfleet_stage_seconds_bucket{{{stage}}} {part * seconds}"]
    engine = 'model_name="m",engine="0",pool="small"'
    lines += [
        f"vllm:prefix_cache_hits_total{{{engine}}} {300 * seconds}",
        f"vllm:prefix_cache_queries_total{{{engine}}} {400 * seconds}",
        f'vllm:prefix_cache_queries_total{{model_name="other",engine="0"}} {seconds}',
        f"vllm:kv_cache_usage_perc{{{engine}}} 0.25",
        'vllm:kv_cache_usage_perc{model_name="m",engine="1",pool="small"} 0.75',
        f"vllm:num_requests_waiting{{{engine}}} 8",
        'vllm:num_requests_waiting{model_name="m",engine="1",pool="small"} 0',
        'sglang:token_usage{pool="sglang"} 0.75',
        'sglang:num_queue_reqs{pool="sglang"} 2',
        'sglang:spec_accept_rate{pool="sglang"} 0.625',
        f'sglang:cached_tokens_total{{pool="sglang",cache_source="device"}} {10 * seconds}',
        f'sglang:cached_tokens_total{{pool="sglang",cache_source="host"}} {20 * seconds}',
        f'sglang:prompt_tokens_total{{pool="sglang",is_streaming="true"}} {120 * seconds}',
        'llamacpp:requests_deferred{pool="llama"} 3',
        f'llamacpp:prompt_tokens_cached_total{{pool="llama"}} {30 * seconds}',
        f'llamacpp:prompt_tokens_total{{pool="llama"}} {10 * seconds}',
        f'llamacpp:spec_decode_num_accepted_tokens_total{{pool="llama"}} {25 * seconds}',
        f'llamacpp:spec_decode_num_draft_tokens_total{{pool="llama"}} {100 * seconds}',
        'trtllm_kv_cache_utilization{pool="trt"} 0.125',
        'trtllm_server_queue_length{pool="trt"} 1',
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def bench(recorder: Prometheus) -> Recorded:
    return Recorded(recorder).record(exposition)


@pytest.fixture(scope="module")
def snapshot(bench: Recorded) -> Snapshot:
    return Snapshot(
        rules=(target(),),
        pools={name: replace(pool, tokens=PRICES) for name, pool in facts().items()},
        replicas=tuple(expected(bench)),
        measurement=look(bench, [COST, CACHE], at=NOW),
    )


def read(snapshot: Snapshot, slo: LevelObjective, *, before: bool = False) -> Reading:
    assert snapshot.measurement is not None
    span = Span(slo.windows.level, before)
    return reading(snapshot, slo, [RULE], snapshot.measurement.at, span=span)


@pytest.mark.parametrize("before", [False, True], ids=["the last window", "the one before"])
def test_the_mean_cost_of_a_request(snapshot: Snapshot, *, before: bool) -> None:
    """20 answers a second and replica, 0.4 of them without usage; errors cost nothing."""
    found = read(snapshot, COST, before=before)
    tokens = (400 + 1000) * 1e-6 + 400 * 1e-7 + 200 * 1.25e-6 + 1000 * 4e-6

    assert found.data.kind is Kind.OK
    assert found.requests == pytest.approx(2 * 20 * WINDOWS.level.total_seconds())
    assert found.value == pytest.approx(tokens / (20 - 0.4))


@pytest.mark.parametrize("before", [False, True], ids=["the last window", "the one before"])
def test_the_cache_hit_rate(snapshot: Snapshot, *, before: bool) -> None:
    """400 of 1000 by the router, 3 of 4 by the engine of the pool that does not report them."""
    found = read(snapshot, CACHE, before=before)

    assert found.value == pytest.approx(1 - (400 + 750) / 2000)


def test_an_engine_that_no_pool_is_known_of_is_left_out(snapshot: Snapshot) -> None:
    assert snapshot.measurement is not None
    assert {pool for _, pool in snapshot.measurement.engines} == {"small", "sglang", "llama"}


@pytest.mark.parametrize(("pool", "part"), [("sglang", 30 / 120), ("llama", 30 / 40)])
def test_every_family_says_how_often_its_cache_was_hit(
    snapshot: Snapshot, pool: str, part: float
) -> None:
    """llama.cpp counts the tokens that were not cached; the others count all."""
    assert snapshot.measurement is not None
    found = snapshot.measurement.engines["team-a", pool][WINDOWS.level]

    assert found.hits / found.queries == pytest.approx(part)


def test_engines_that_are_full_are_seen_by_their_own_gauges(snapshot: Snapshot) -> None:
    """The mean of both engines."""
    assert snapshot.measurement is not None
    seen = snapshot.measurement.engine_loads

    assert seen["team-a", "small"] == EngineLoad(kv_cache=0.5, waiting=4.0)
    assert seen["team-a", "trt"] == EngineLoad(kv_cache=0.125, waiting=1.0)
    sglang, llama = seen["team-a", "sglang"], seen["team-a", "llama"]
    assert sglang[:2] == (0.75, 2.0)
    assert llama[:2] == (None, 3.0)
    assert (sglang.acceptance, llama.acceptance) == pytest.approx((0.625, 0.25))


async def test_the_share_of_a_path_is_its_part_of_the_route_s_requests(
    snapshot: Snapshot, bench: Recorded
) -> None:
    """66 a second by one rule, 34 by the other, on two pools."""
    assert snapshot.measurement is not None
    source = PrometheusSource(Access(url=bench.prometheus.url))
    at = snapshot.measurement.at
    whole = await requests_taken(source, at, split=False)
    split = await requests_taken(source, at, split=True)
    source.close()

    assert shares(whole) == {
        RULE: pytest.approx(0.34),
        RULE._replace(rule="fast"): pytest.approx(0.66),
    }
    assert {(one.rule.rule, one.feature) for one in split} == {
        ("slow", "other"),
        ("fast", "search"),
    }


def test_money_of_a_span_is_added_up_by_label_set(snapshot: Snapshot, bench: Recorded) -> None:
    """What `Spend`, `top` and `costs` ask; the namespace is the route's."""
    assert snapshot.measurement is not None
    at, span = snapshot.measurement.at, timedelta(seconds=10)
    source = PrometheusSource(Access(url=bench.prometheus.url))
    try:
        found = asyncio.run(used(source, at, span))
        (piece,) = asyncio.run(pieces(source, RULE.namespace, start=at - span, end=at))
        (nobody,) = asyncio.run(pieces(source, "elsewhere", start=at - span, end=at))
    finally:
        source.close()

    cells = {cell.pool: cell.windows[span] for cell in found[RULE]}
    assert cells["large"].prompt == pytest.approx(2 * 1000 * 10)
    by_pool = {place.pool: usage for place, usage in piece.used.items()}
    assert by_pool["large"].completion == pytest.approx(2 * 500 * 10)
    assert by_pool["large"].requests == pytest.approx(2 * 10 * 10), "errors cost nothing"
    assert nobody.used == {}


async def test_the_stages_of_a_budget_come_back_as_the_quantiles_that_went_in(
    snapshot: Snapshot, bench: Recorded
) -> None:
    assert snapshot.measurement is not None
    source = PrometheusSource(Access(url=bench.prometheus.url))
    took = await stages_took(source, snapshot.measurement.at)
    source.close()

    (buckets,) = took.values()
    assert took.keys() == {("team-a", "chat", "retrieval")}
    assert quantile_of(0.5, buckets) == pytest.approx(0.05)
    assert quantile_of(0.99, buckets) == pytest.approx(0.099)
