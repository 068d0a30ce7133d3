"""Errors, whole attempts and time per token: the numbers that went in come out, by signal."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.integration.prometheus.conftest import Prometheus
from tests.integration.prometheus.look import look
from tests.integration.prometheus.recorded import NOW, Recorded
from tests.integration.prometheus.test_measure import LABELS, RULE
from tests.unit.domain.slo.builders import objective
from tokenfleet.adapters.prometheus.history import History
from tokenfleet.adapters.prometheus.source import Access, PrometheusSource
from tokenfleet.domain.slo.objectives.error_budget import Budget, running, start_of
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec, Windows
from tokenfleet.domain.slo.observation.evidence import Evidence
from tokenfleet.domain.slo.observation.measurement import NO_THRESHOLD, Measurement, Signal
from tokenfleet.domain.slo.reporting.views import quantile

WINDOWS = Windows(short=timedelta(seconds=6), long=timedelta(seconds=12))
ERRORS = objective("errors", signal=Signal.ERRORS, threshold=NO_THRESHOLD, windows=WINDOWS)
WHOLE = objective(
    "whole", signal=Signal.END_TO_END, threshold=timedelta(seconds=30), windows=WINDOWS
)
TOKENS = objective(
    "tokens", signal=Signal.TPOT, threshold=timedelta(milliseconds=50), windows=WINDOWS
)
OBJECTIVES = (ERRORS, WHOLE, TOKENS)

RATES = {"ok": 6, "client_error": 2, "server_error": 3, "timeout": 1, "cancelled": 5}
"""Attempts per second, by outcome."""


def exposition(seconds: float) -> str:
    """Of 6 answers a second 4 end within 30 s and 5 stream at 50 ms; refusals and errors are fast,
    timeouts and what clients gave up are slow. Streams that failed are slower than every boundary.
    """
    labels = f'{LABELS},pool="large"'
    lines = ["# TYPE tokenfleet_attempts_total counter"]
    lines += [
        f'tokenfleet_attempts_total{{{labels},outcome="{outcome}"}} {rate * seconds}'
        for outcome, rate in RATES.items()
    ]
    fast, ended = (4 + 2 + 3) * seconds, sum(RATES.values()) * seconds
    lines += histogram("tokenfleet_attempt_duration_seconds", labels, {"30.0": fast}, ended)
    per_token = {"0.03": 2 * seconds, "0.05": 5 * seconds}
    lines += histogram(
        "tokenfleet_time_per_output_token_seconds", labels, per_token, (6 + 4) * seconds
    )
    return "\n".join(lines) + "\n"


def histogram(name: str, labels: str, buckets: dict[str, float], count: float) -> list[str]:
    return [
        f"# TYPE {name} histogram",
        *(f'{name}_bucket{{{labels},le="{le}"}} {n}' for le, n in buckets.items()),
        f'{name}_bucket{{{labels},le="+Inf"}} {count}',
        f"{name}_sum{{{labels}}} {count}",
        f"{name}_count{{{labels}}} {count}",
    ]


@pytest.fixture(scope="module")
def bench(recorder: Prometheus) -> Recorded:
    return Recorded(recorder).record(exposition)


@pytest.fixture(scope="module")
def seen(bench: Recorded) -> Measurement:
    return look(bench, OBJECTIVES, at=NOW)


@pytest.mark.parametrize(
    ("slo", "per_second", "bad"),
    [
        pytest.param(ERRORS, 10, 4 / 10, id="4 of 10 failed"),
        pytest.param(WHOLE, 10, 6 / 10, id="4 of 10 failed, 2 were slow"),
        pytest.param(TOKENS, 10, 5 / 10, id="4 of 10 failed, 1 was slow"),
    ],
)
def test_a_signal_counts_what_went_in(
    seen: Measurement, slo: ObjectiveSpec, per_second: float, bad: float
) -> None:
    """Two replicas; what clients did wrong or gave up counts in no signal."""
    found = Evidence.of(seen.rule(RULE).cells, slo)

    assert found.long.total == pytest.approx(2 * per_second * 12)
    assert found.long.ratio == pytest.approx(bad)
    assert found.short.ratio == pytest.approx(bad)


def test_quantiles_are_those_of_each_signal(seen: Measurement) -> None:
    ladders = seen.rule(RULE).ladders

    assert quantile(0.4, ladders, TOKENS) == pytest.approx(0.0433, abs=0.002)
    assert quantile(0.2, ladders, WHOLE) == pytest.approx(30 * 3.4 / 9, rel=0.05)
    assert quantile(0.5, ladders, ERRORS) is None


def test_a_router_that_counts_no_time_per_token_yet_is_silent(bench: Recorded) -> None:
    """The series does not exist: no attempts, and neither good nor bad ones."""
    other = objective("other", rule="fast", signal=Signal.TPOT, windows=WINDOWS)
    found = Evidence.of(look(bench, [other], at=NOW).rule(RULE._replace(rule="fast")).cells, other)

    assert found.long.total == 0


def test_a_slot_of_the_error_budget_holds_what_went_in(bench: Recorded) -> None:
    """The slot that runs, of a window so short that it is over in seconds; and who burned it."""
    window = timedelta(minutes=16)
    short = [replace(slo, budget_window=window) for slo in OBJECTIVES]
    # The slots that are looked at, of 20 s each, lie after the first scrape.
    at = start_of(window, running(window, NOW))

    async def looks() -> dict[str, Budget]:
        source = PrometheusSource(Access(url=bench.prometheus.url))
        history = History(source)
        try:
            for i in range(2 * len(short)):  # the running slot, and the one before, of each signal
                await history.look(short, at + timedelta(milliseconds=i))
            return history.budgets()
        finally:
            source.close()

    left = asyncio.run(looks())

    assert left[ERRORS.key].bad / left[ERRORS.key].total == pytest.approx(0.4, abs=0.03)
    assert left[WHOLE.key].bad / left[WHOLE.key].total == pytest.approx(0.6, abs=0.03)
    assert left[TOKENS.key].bad / left[TOKENS.key].total == pytest.approx(0.5, abs=0.03)
    assert left[ERRORS.key].remaining == pytest.approx(1 - 0.4 / 0.05, rel=0.1)
    assert [who[:2] for who in left[ERRORS.key].burners] == [("slow", "other")]
