"""What `top`, `history` and the console ask of Prometheus: a real one understands and answers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from tests.integration.prometheus.conftest import Prometheus
from tests.support.remote_write import Point, Written, write
from tokenfleet.adapters.prometheus.live import live, queries
from tokenfleet.adapters.prometheus.past_load import past_load, piece_of
from tokenfleet.adapters.prometheus.source import Access, PrometheusSource
from tokenfleet.adapters.prometheus.timeline import NotANameError, decisions, timeline
from tokenfleet.domain.console.timeline import Line
from tokenfleet.domain.slo.observation.measurement import RuleKey

T = TypeVar("T")
STEP = 15
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAMESPACE = "people"


def every(value: Callable[[float], float]) -> list[Point]:
    """An hour and a bit of scrapes; `value` of the seconds until now."""
    return [(NOW.timestamp() - t, value(t)) for t in range(3900, -1, -STEP)]


def fleet() -> list[Written]:
    rule = {"namespace": NAMESPACE, "route": "chat", "rule": "slow"}
    labels = {**rule, "pool": "large", "feature": "search", "request_type": "chat"}
    slo, place = {"namespace": NAMESPACE, "slo": "ttft"}, {"namespace": NAMESPACE, "pool": "large"}
    count = every(lambda t: 4.0 * (3900 - t))
    bucket = "tokenfleet_time_to_first_token_seconds_bucket"
    return [
        ("tokenfleet_requests_started_total", labels, count),
        (bucket, {**labels, "le": "0.5"}, count),
        (bucket, {**labels, "le": "+Inf"}, count),
        ("tokenfleet_prompt_tokens_total", labels, every(lambda t: 40.0 * (3900 - t))),
        ("tokenfleet_completion_tokens_total", labels, every(lambda t: 8.0 * (3900 - t))),
        ("tokenfleet_route_share", {**rule, "pool": "large"}, every(lambda t: 0.5 if t < 1200 else 1.0)),
        ("tokenfleet_route_share", {**rule, "pool": "small"}, every(lambda t: 0.5 if t < 1200 else 0.0)),
        ("tokenfleet_slo_burn_rate", {**slo, "window": "control"}, every(lambda _: 2.5)),
        ("tokenfleet_slo_info", {**slo, "route": "chat", "rule": "slow", "objective": "Latency", "on_breach": "Alert"}, every(lambda _: 1.0)),
        ("tokenfleet_decisions_total", {"namespace": NAMESPACE, "route": "chat", "transition": "T1"}, every(lambda t: 2.0 if t < 1200 else 1.0)),
        ("tokenfleet_inflight", place, every(lambda _: 3.0)),
        ("tokenfleet_pool_demand", place, every(lambda _: 4.0)),
        ("vllm:kv_cache_usage_perc", place, every(lambda _: 0.25)),
        ("vllm:num_requests_waiting", place, every(lambda _: 7.0)),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def remembering(recorder: Prometheus) -> Prometheus:
    write(recorder.url, fleet())
    return recorder


def asked(prometheus: Prometheus, question: Callable[[PrometheusSource], Awaitable[T]]) -> T:
    async def once() -> T:
        source = PrometheusSource(Access(url=prometheus.url))
        try:
            return await question(source)
        finally:
            source.close()

    return asyncio.run(once())


def test_the_numbers_of_a_moment(remembering: Prometheus) -> None:
    found = asked(remembering, lambda source: live(source, NAMESPACE, at=NOW))
    rule, pool = (NAMESPACE, "chat", "slow"), (NAMESPACE, "large")

    assert found.rates == {rule: pytest.approx(4.0)}
    assert (found.p50[rule], found.p99[rule]) == (pytest.approx(0.25), pytest.approx(0.495))
    assert found.burn == {(NAMESPACE, "ttft"): 2.5}
    assert (found.inflight, found.demand) == ({pool: 3.0}, {pool: 4.0})
    assert (found.kv_cache, found.waiting) == ({pool: 0.25}, {pool: 7.0})
    assert found.features == {(NAMESPACE, "chat", "search"): pytest.approx(48.0)}


def test_another_namespace_has_nothing_and_all_have_everything(remembering: Prometheus) -> None:
    assert asked(remembering, lambda source: live(source, "other", at=NOW)).rates == {}
    everywhere = asked(remembering, lambda source: live(source, "", at=NOW))
    assert (NAMESPACE, "chat", "slow") in everywhere.rates
    assert len(queries("")) == 9


def test_an_hour_of_a_route(remembering: Prometheus) -> None:
    found = asked(
        remembering, lambda source: timeline(source, NAMESPACE, "chat", start=NOW - HOUR, end=NOW)
    )

    def ends(line: Line) -> tuple[float, float]:
        return line.points[0][1], line.points[-1][1]

    assert [(line.name, line.rule, *ends(line)) for line in found.shares] == [
        ("large", "slow", 1.0, 0.5),
        ("small", "slow", 0.0, 0.5),
    ]
    assert [(line.name, line.points[-1][1]) for line in found.first_tokens] == [
        ("p50", pytest.approx(0.25)),
        ("p99", pytest.approx(0.495)),
    ]
    assert [(line.name, line.rule, *ends(line)) for line in found.burn_rates] == [
        ("ttft", "slow", 2.5, 2.5)
    ]


def test_an_hour_of_load_in_pieces(remembering: Prometheus) -> None:
    """A model is asked the same: a piece that nobody remembers is one without requests."""
    two = 2 * HOUR
    found = asked(remembering, lambda source: past_load(source, end=NOW, span=two))
    pieces = found[RuleKey(NAMESPACE, "chat", "slow")]

    assert len(pieces) == two // piece_of(two)
    assert pieces[-len(pieces) // 2 :] == pytest.approx([4.0] * (len(pieces) // 2))
    assert set(pieces[: len(pieces) // 4]) == {0.0}


def test_decisions_that_only_the_counter_knows(remembering: Prometheus) -> None:
    (found,) = asked(
        remembering, lambda source: decisions(source, NAMESPACE, "", start=NOW - HOUR, end=NOW)
    )

    assert (found.route, found.transition, found.reason) == ("chat", "T1", "TrafficShifted")
    assert abs(found.at - (NOW - timedelta(minutes=20))) <= timedelta(seconds=STEP)


@pytest.mark.parametrize("name", ['x"} or vector(1) #', "Chat", "a b", "-x"])
def test_a_name_cannot_become_a_query(remembering: Prometheus, name: str) -> None:
    with pytest.raises(NotANameError):
        asked(
            remembering, lambda source: timeline(source, NAMESPACE, name, start=NOW - HOUR, end=NOW)
        )
