"""Tokens by the router, cache hits by the engines: rows in, usage out."""

from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import RULE, T0
from tokenfleet.adapters.prometheus.usage import engine_loads_of, engines_of, usage_of
from tokenfleet.domain.slo.observation.measurement import EngineCache, EngineLoad, Usage
from tokenfleet.ports import Sample

QUARTER = timedelta(minutes=15)


def row(kind: str, value: float, **labels: str) -> Sample:
    named = {"namespace": "team-a", "route": "chat", "rule": "slow", "pool": "a", **labels}
    return Sample(labels={"window": "900000", "kind": kind, **named}, value=value, timestamp=T0)


def test_kinds_of_one_place_make_one_usage() -> None:
    rows = [row("requests", 10), row("prompt", 1000), row("completion", 50), row("missing", 1)]

    assert usage_of(rows)[RULE][0].windows == {
        QUARTER: Usage(requests=10, missing=1, prompt=1000, cached=0, completion=50)
    }


def test_requests_that_no_pool_answered_used_nothing() -> None:
    assert not usage_of([row("requests", 10, pool="")])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_what_is_no_count_breaks_its_place_only(value: float) -> None:
    rows = [row("prompt", value), row("prompt", 1, pool="b")]

    assert {cell.pool: cell.broken for cell in usage_of(rows)[RULE]} == {"a": True, "b": False}


def test_engines_speak_for_their_pool() -> None:
    rows = [row("hits", 30), row("queries", 100), row("hits", 5, pool="b")]

    assert engines_of(rows) == {
        ("team-a", "a"): {QUARTER: EngineCache(30, 100)},
        ("team-a", "b"): {},
    }


def test_an_engine_that_counts_nonsense_says_nothing() -> None:
    assert engines_of([row("hits", float("nan")), row("queries", 100)]) == {}


def test_engines_say_how_full_they_are() -> None:
    rows = [row("kv_cache", 0.5), row("waiting", 2), row("waiting", 3, pool="b")]

    assert engine_loads_of(rows) == {
        ("team-a", "a"): EngineLoad(kv_cache=0.5, waiting=2),
        ("team-a", "b"): EngineLoad(waiting=3),
    }


@pytest.mark.parametrize("value", [float("nan"), -1.0])
def test_fullness_that_is_no_number_was_not_said(value: float) -> None:
    assert engine_loads_of([row("kv_cache", value)]) == {}
