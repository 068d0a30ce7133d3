"""Known series go in by real scrapes; the numbers that come out are the ones that went in.

The tests run in order and share one Prometheus: each waits only for what it adds.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from e2e.kit.waiting import NotYet, wait_for
from tests.integration.prometheus.conftest import SCRAPE_SECONDS, Bench
from tests.integration.prometheus.look import expected, look, now
from tests.unit.domain.slo.builders import objective
from tokenfleet.adapters.prometheus.lookback import Lookback
from tokenfleet.adapters.prometheus.queries import MAX_QUERIES, queries
from tokenfleet.adapters.prometheus.source import Access, PrometheusSource
from tokenfleet.domain.slo.objectives.spec import Windows
from tokenfleet.domain.slo.observation.data_state import Kind, blindness, judge
from tokenfleet.domain.slo.observation.evidence import Evidence
from tokenfleet.domain.slo.observation.measurement import Measurement, RouterReplica, RuleKey
from tokenfleet.domain.slo.reporting.burn_rates import FAR, FARTHEST, NEAR
from tokenfleet.domain.slo.reporting.views import quantile

RULE = RuleKey("team-a", "chat", "slow")
LONG = timedelta(seconds=12)
SLO = objective(
    threshold=timedelta(seconds=1), windows=Windows(short=timedelta(seconds=6), long=LONG)
)
LABELS = 'route="chat",rule="slow",feature="other",request_type="other"'


def exposition(seconds: float, pool: str, good: float, bad: float, *, boundary: str) -> str:
    """A pool whose attempts come steadily: `good` and `bad` per second since the start."""
    n, late = good * seconds, bad * seconds
    labels = f'{LABELS},pool="{pool}"'
    name = "tokenfleet_time_to_first_token_seconds"
    return (
        f"# TYPE {name} histogram\n"
        f'{name}_bucket{{{labels},le="0.5"}} {n / 2}\n'
        f'{name}_bucket{{{labels},le="{boundary}"}} {n}\n'
        f'{name}_bucket{{{labels},le="+Inf"}} {n}\n'
        f"{name}_sum{{{labels}}} {n / 2}\n{name}_count{{{labels}}} {n}\n"
        "# TYPE tokenfleet_late_attempts_total counter\n"
        f'tokenfleet_late_attempts_total{{{labels},threshold="{boundary}"}} {late}\n'
        "# TYPE tokenfleet_requests_total counter\n"
        f'tokenfleet_requests_total{{{labels},outcome="ok"}} {n + late}\n'
    )


def reason(bench: Bench, measured: Measurement) -> str:
    failure = blindness(measured, expected(bench), SLO, measured.at)
    return failure.reason if failure is not None else ""


def wait_reason(reason_wanted: str, bench: Bench, seconds: float = 90.0) -> Measurement:
    deadline = time.monotonic() + seconds
    while True:
        measured = look(bench, [SLO])
        if reason(bench, measured) == reason_wanted:
            return measured
        assert time.monotonic() < deadline, (reason(bench, measured), measured)
        time.sleep(0.5)


def evidence(measured: Measurement, pool: str) -> Evidence:
    return Evidence.of([c for c in measured.rule(RULE).cells if c.pool == pool], SLO)


def wait_counted(bench: Bench, right: Callable[[Measurement], bool]) -> None:
    """Wait for windows that are full: a busy machine scrapes late."""

    def look_again() -> bool | NotYet:
        return right(measured := look(bench, [SLO])) or NotYet(str(evidence(measured, "large")))

    wait_for("what went in", look_again, timeout=120)


def test_known_series_come_back_as_the_counts_that_went_in(bench: Bench) -> None:
    """Two replicas, one writing le="1" and one le="1.0", add up; coverage is waited for."""
    bench.replicas[0].text = lambda t: exposition(t, "large", 6, 4, boundary="1")
    bench.replicas[1].text = lambda t: exposition(t, "large", 6, 4, boundary="1.0")
    bench.prometheus.start()

    assert reason(bench, look(bench, [SLO])) in {"Absent", "LowCoverage"}

    wait_reason("", bench)

    def right(measured: Measurement) -> bool:
        found = evidence(measured, "large")
        return (
            found.long.total == pytest.approx(20 * LONG.total_seconds(), rel=0.15)
            and found.long.ratio == pytest.approx(0.4, abs=0.02)
            and found.short.total == pytest.approx(20 * 6, rel=0.25)
            and measured.rule(RULE).demand == pytest.approx(20, rel=0.15)
        )

    wait_counted(bench, right)


def test_burn_rates_of_alerts_are_the_ones_that_went_in(bench: Bench) -> None:
    """All windows reach back to before the first scrape: each holds all there is."""

    async def thrice() -> dict[timedelta, float]:
        source = PrometheusSource(Access(url=bench.prometheus.url))
        try:
            lookback = Lookback(source)
            for _ in range(3):
                await lookback.look([SLO], now())
        finally:
            source.close()
        return lookback.rates()[SLO.key]

    rates = asyncio.run(thrice())

    assert set(rates) == {*NEAR, *FAR, *FARTHEST}
    for rate in rates.values():
        assert rate == pytest.approx(0.4 / 0.05, rel=0.1)


def test_quantiles_come_from_the_whole_ladder(bench: Bench) -> None:
    median = quantile(0.5, look(bench, [SLO]).rule(RULE).ladders, SLO)

    assert median == pytest.approx(0.5, abs=0.05)


def test_a_series_that_never_existed_is_absent_and_not_zero(bench: Bench) -> None:
    measured = look(bench, [SLO])

    assert [cell.pool for cell in measured.rule(RULE).cells] == ["large"]
    assert evidence(measured, "small").long.total == 0


def test_a_restarted_router_is_not_negative_traffic(bench: Bench) -> None:
    """The counters of one replica fall to 0; the sum stays what is really sent."""
    bench.replicas[1].started = time.monotonic()
    time.sleep(4 * SCRAPE_SECONDS)

    def right(measured: Measurement) -> bool:
        found = evidence(measured, "large")
        return found.long.total == pytest.approx(
            20 * LONG.total_seconds(), rel=0.25
        ) and found.long.ratio == pytest.approx(0.4, abs=0.05)

    wait_counted(bench, right)


def test_a_series_that_is_not_a_number_marks_its_cell(bench: Bench) -> None:
    healthy = bench.replicas[1].text
    broken = "tokenfleet_late_attempts_total{" + LABELS + ',pool="small",threshold="1.0"} NaN\n'
    bench.replicas[1].text = lambda t: healthy(t) + broken

    def seen() -> dict[str, bool]:
        return {cell.pool: cell.broken for cell in look(bench, [SLO]).rule(RULE).cells}

    deadline = time.monotonic() + 90
    while (cells := seen()) == {"large": False} and time.monotonic() < deadline:
        time.sleep(0.5)
    bench.replicas[1].text = healthy

    assert cells == {"large": False, "small": True}


def test_one_replica_that_is_not_scraped_blinds_the_loop_until_it_is_covered_again(
    bench: Bench,
) -> None:
    bench.replicas[1].failing = True
    blind = wait_reason("LowCoverage", bench)
    bench.replicas[1].failing = False

    scraped = {pod: seen.successes[LONG] for (_, pod), seen in blind.replicas.items()}
    assert scraped["router-1"] > scraped["router-2"]
    wait_reason("", bench)


def test_an_outage_of_prometheus_is_unknown_and_its_return_waits_for_coverage(
    bench: Bench,
) -> None:
    bench.prometheus.stop()
    down = look(bench, [SLO])
    time.sleep(LONG.total_seconds() / 2)
    bench.prometheus.start()
    back = look(bench, [SLO])

    assert down.failure is not None
    assert down.failure.reason == "SourceError"
    assert reason(bench, back), "seen again, and not covered yet"
    wait_reason("", bench)


def test_a_new_replica_is_judged_from_when_it_became_ready(bench: Bench) -> None:
    """A rollout of the router must not blind the loop for a whole long window."""
    measured = look(bench, [SLO])
    seen = measured.replicas
    young = RouterReplica(
        namespace="team-a",
        pod="router-1",
        since=measured.at - timedelta(seconds=4 * SCRAPE_SECONDS),
    )
    few = {pod: scrapes for pod, scrapes in seen.items() if pod[1] == "router-1"}
    few["team-a", "router-1"].successes[LONG] = 3  # type: ignore[index]

    assert blindness(measured, [young], SLO, measured.at) is None


def test_a_clock_that_runs_ahead_is_seen(bench: Bench) -> None:
    """The operator's clock is 45 s behind: the newest sample lies in its future."""
    measured = look(bench, [SLO], at=now() - timedelta(seconds=45))
    failure = blindness(measured, expected(bench), SLO, measured.at)

    assert failure is not None
    assert failure.reason == "ClockSkew"


def test_a_thousand_objectives_cost_thirty_queries_that_prometheus_accepts(bench: Bench) -> None:
    many = [
        replace(
            SLO,
            name=f"slo-{i}",
            threshold=timedelta(milliseconds=(500, 1000, 2500)[i % 3]),
            features=frozenset({"chat"}) if i % 7 == 0 else frozenset(),
            windows=Windows(
                short=timedelta(seconds=5 + i % 50), long=timedelta(seconds=20 + i % 50)
            ),
        )
        for i in range(1000)
    ]
    measured = look(bench, many, timeout=timedelta(seconds=30))

    assert len(queries(many, expected(bench))) <= MAX_QUERIES
    assert measured.failure is None
    assert measured.rule(RULE).cells


def test_no_traffic_is_its_own_state(bench: Bench) -> None:
    measured = look(bench, [SLO])
    nothing = measured.rule(RuleKey("team-a", "chat", "other"))

    assert judge(nothing, Evidence.of((), SLO), None).kind is Kind.NO_TRAFFIC
