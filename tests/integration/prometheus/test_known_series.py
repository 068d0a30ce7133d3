"""What was put into a real Prometheus comes out of the reader, however the samples got there.

Each test has a namespace of its own and writes samples at times of its own, so every number is known
exactly: a counter that grows by n a second grows by 60 n in a minute, whatever happens to scrapes.
"""

import asyncio
import itertools
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.prometheus.conftest import Prometheus
from tests.support.remote_write import STALE, Point, write
from tests.unit.domain.slo.builders import objective
from tokenfleet.adapters.prometheus.measure import measure
from tokenfleet.adapters.prometheus.source import Access, PrometheusSource
from tokenfleet.domain.slo.objectives.spec import Windows
from tokenfleet.domain.slo.observation.data_state import Kind, blindness, judge
from tokenfleet.domain.slo.observation.evidence import Evidence
from tokenfleet.domain.slo.observation.measurement import Measurement, RouterReplica, RuleKey
from tokenfleet.domain.slo.reporting.views import quantile

STEP = 15
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECONDS = NOW.timestamp()
MINUTE = timedelta(minutes=1)
GOOD, LATE, STARTED, ENDED = (
    "tokenfleet_time_to_first_token_seconds_bucket",
    "tokenfleet_late_attempts_total",
    "tokenfleet_requests_started_total",
    "tokenfleet_requests_total",
)

_numbers = itertools.count()


class Fleet:
    """Routers of one namespace, as one Prometheus remembers them."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.url, self.namespace = prometheus.url, f"team-{next(_numbers)}"
        self.pods: list[str] = []
        self.slo = replace(
            objective(threshold=timedelta(seconds=1)),
            namespace=self.namespace,
            windows=Windows(short=MINUTE, long=3 * MINUTE),
        )

    def put(
        self, name: str, points: Iterable[Point], *, pod: str = "router-1", **labels: str
    ) -> None:
        ours = {"route": "chat", "rule": "slow", "feature": "other", "request_type": "other"}
        everywhere = {"namespace": self.namespace, "pod": pod, "job": "routers"}
        write(
            self.url,
            [(name, {**everywhere, **(ours if name != "up" else {}), **labels}, list(points))],
        )
        if pod not in self.pods:
            self.pods.append(pod)

    def serve(
        self, *, pod: str = "router-1", good: float = 2.0, bad: float = 1.0, le: str = "1"
    ) -> None:
        """25 minutes of steady traffic on pool large, per second, and a scrape every 15 s."""
        self.put("up", growing(0, start=1), pod=pod)
        self.put(GOOD, growing(good), pod=pod, pool="large", le=le)
        self.put(GOOD, growing(good), pod=pod, pool="large", le="+Inf")
        self.put(LATE, growing(bad), pod=pod, pool="large", threshold=le)
        self.put(STARTED, growing(good + bad), pod=pod, pool="large")

    def measured(self, at: datetime = NOW) -> Measurement:
        async def once() -> Measurement:
            source = PrometheusSource(Access(url=self.url))
            try:
                return await measure(
                    source,
                    objectives=[self.slo],
                    replicas=self.replicas(),
                    at=at,
                    scrape_interval=timedelta(seconds=STEP),
                )
            finally:
                source.close()

        return asyncio.run(once())

    def replicas(self) -> tuple[RouterReplica, ...]:
        day = timedelta(days=1)
        return tuple(
            RouterReplica(namespace=self.namespace, pod=pod, since=NOW - day) for pod in self.pods
        )

    @property
    def rule(self) -> RuleKey:
        return RuleKey(self.namespace, "chat", "slow")

    def evidence(self, at: datetime = NOW, pool: str = "large") -> Evidence:
        cells = self.measured(at).rule(self.rule).cells
        return Evidence.of([cell for cell in cells if cell.pool == pool], self.slo)

    def blind(self, at: datetime = NOW) -> str:
        measured = self.measured(at)
        failure = blindness(measured, self.replicas(), self.slo, measured.at)
        return failure.reason if failure is not None else ""


def growing(rate: float, *, start: float = 0.0, first: int = -100, last: int = 0) -> list[Point]:
    """A counter scraped every 15 s, from `first` to `last` scrapes around now."""
    return [(SECONDS + n * STEP, start + rate * STEP * (n - first)) for n in range(first, last + 1)]


@pytest.fixture
def fleet(recorder: Prometheus) -> Fleet:
    return Fleet(recorder)


def test_a_pool_that_slows_down_is_asked_for_as_much_as_before(fleet: Fleet) -> None:
    """1.0/s are sent, 0.42/s end, the rest wait: an autoscaler that saw 0.42 would shrink the pool."""
    fleet.serve(good=0.42, bad=0.0)
    fleet.put(ENDED, growing(0.42), pool="large", outcome="ok")
    fleet.put(STARTED, growing(0.58), pool="large", feature="search")

    assert fleet.measured().rule(fleet.rule).demand == pytest.approx(1.0)


def test_a_router_that_counts_no_starts_is_taken_at_its_ends(fleet: Fleet) -> None:
    """In an upgrade routers of both builds serve side by side."""
    fleet.serve(pod="router-new", good=2.0, bad=0.0)
    fleet.put(ENDED, growing(1.9), pod="router-new", pool="large", outcome="ok")
    fleet.put(ENDED, growing(1.5), pod="router-old", pool="large", outcome="ok")

    assert fleet.measured().rule(fleet.rule).demand == pytest.approx(3.5)


def test_steady_counters_come_back_exactly_in_every_window(fleet: Fleet) -> None:
    fleet.serve()
    found = fleet.evidence()
    rule = fleet.measured().rule(fleet.rule)

    assert (found.short.total, found.short.bad) == (180, 60)
    assert (found.long.total, found.long.bad) == (540, 180)
    assert [found.windows[2**k * MINUTE].total for k in (2, 3)] == [720, 1440]
    assert rule.demand == pytest.approx(3.0)
    assert quantile(0.5, rule.ladders, fleet.slo) == pytest.approx(0.5)
    assert fleet.blind() == ""


def test_a_counter_that_starts_again_is_counted_on(fleet: Fleet) -> None:
    """The router restarted 90 s ago: what it counts from 0 on is added, and nothing is taken away."""
    fleet.serve(bad=0)
    before, after = growing(1, last=-7), growing(1, first=-7)[1:]
    fleet.put(LATE, [*before, *after], pool="large", threshold="1.0")

    assert fleet.evidence().long.bad == 180
    assert fleet.evidence().long.total == 180 + 360


def test_scrapes_that_are_missing_cost_coverage_and_no_counts(fleet: Fleet) -> None:
    """Every third scrape is lost: the counters bridge the gap, and the loop says that it is blind."""
    fleet.serve()
    lossy = Fleet.__new__(Fleet)
    lossy.__dict__ |= {**fleet.__dict__, "namespace": f"{fleet.namespace}-lossy", "pods": []}
    lossy.slo = replace(fleet.slo, namespace=lossy.namespace)

    def kept(points: list[Point]) -> list[Point]:
        return [point for n, point in enumerate(points) if n % 3 or n == len(points) - 1]

    lossy.put("up", kept(growing(0, start=1)))
    lossy.put(GOOD, kept(growing(2)), pool="large", le="1")
    lossy.put(LATE, kept(growing(1)), pool="large", threshold="1")

    assert lossy.evidence().long.total == pytest.approx(fleet.evidence().long.total, rel=0.02)
    assert lossy.evidence().long.ratio == pytest.approx(1 / 3, rel=0.02)
    assert lossy.blind() == "LowCoverage"


def test_failed_scrapes_are_no_coverage(fleet: Fleet) -> None:
    """`up` is there and 0: the target was asked and did not answer."""
    fleet.serve()
    fleet.put("up", growing(0, start=0), pod="router-2")

    assert fleet.blind() == "LowCoverage"


def test_a_target_that_is_back_is_blind_until_its_windows_are_covered(fleet: Fleet) -> None:
    """Half of the scrapes in the long window failed, the last of them 90 s ago."""
    fleet.serve()
    up = [(SECONDS + n * STEP, 0.0 if -12 < n <= -6 else 1.0) for n in range(-100, 1)]
    fleet.put("up", up, pod="router-2")
    back = fleet.blind()
    later = range(1, 13)
    for pod in fleet.pods:
        fleet.put("up", [(SECONDS + n * STEP, 1.0) for n in later], pod=pod)

    assert back == "LowCoverage"
    assert fleet.blind(NOW + len(later) * STEP * timedelta(seconds=1)) == ""


def test_samples_that_come_late_are_missed_until_they_are_there(fleet: Fleet) -> None:
    """A remote write that lags: the same instant is asked before and after the samples arrive."""
    fleet.put("up", growing(0, start=1, last=-10))
    fleet.put(LATE, growing(1, last=-10), pool="large", threshold="1")
    early = (fleet.blind(), fleet.evidence().short.total)
    late = range(-9, 1)
    fleet.put("up", [(SECONDS + n * STEP, 1.0) for n in late])
    fleet.put(
        LATE, [(SECONDS + n * STEP, 15.0 * (n + 100)) for n in late], pool="large", threshold="1"
    )

    assert early == ("Stale", 0)
    assert (fleet.blind(), fleet.evidence().short.total) == ("", 60)


@pytest.mark.parametrize(
    "texts", [("1", "1.0"), ("1.0", "1.000")], ids=["1 and 1.0", "1.0 and 1.000"]
)
def test_a_boundary_is_a_number_however_it_is_written(fleet: Fleet, texts: tuple[str, str]) -> None:
    """Two replicas of different versions write the same threshold differently."""
    for n, text in enumerate(texts):
        fleet.serve(pod=f"router-{n}", le=text)

    assert (fleet.evidence().short.total, fleet.evidence().short.bad) == (360, 120)


def test_a_neighbouring_boundary_is_not_taken_for_ours(fleet: Fleet) -> None:
    """`10`, `0.1` and `1.5` are not `1`."""
    fleet.serve()
    for other in ("10", "0.1", "1.5", "11"):
        fleet.put(GOOD, growing(7), pool="large", le=other)
        fleet.put(LATE, growing(7), pool="large", threshold=other)

    assert (fleet.evidence().short.total, fleet.evidence().short.bad) == (180, 60)


def test_a_pod_that_two_jobs_scrape_keeps_its_fraction_and_its_coverage(fleet: Fleet) -> None:
    """Attempts then count twice: the fraction is right, and a broken second job hides nothing."""
    fleet.serve()
    twice = "copy"
    fleet.put("up", growing(0, start=0), job=twice)
    fleet.put(GOOD, growing(2), job=twice, pool="large", le="1")
    fleet.put(LATE, growing(1), job=twice, pool="large", threshold="1")

    assert fleet.evidence().long.ratio == pytest.approx(1 / 3)
    assert fleet.blind() == ""


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=["NaN", "infinite"])
def test_what_is_no_number_makes_its_rule_unknown(fleet: Fleet, value: float) -> None:
    fleet.serve()
    points = [(at, value) for at, _ in growing(1)]
    fleet.put(LATE, points, pool="small", threshold="1")
    rule = fleet.measured().rule(fleet.rule)
    data = judge(rule, fleet.evidence(), None)

    assert {cell.pool: cell.broken for cell in rule.cells} == {"large": False, "small": True}
    assert (data.kind, data.reason) == (Kind.UNKNOWN, "NotANumber")


def test_a_series_that_ended_is_no_broken_number(fleet: Fleet) -> None:
    """Prometheus notes the end of a series by a NaN of its own; it is not the router's."""
    fleet.serve()
    ended = [*growing(1, last=-8), (SECONDS - 7 * STEP, STALE)]
    fleet.put(LATE, ended, pool="gone", threshold="1")
    rule = fleet.measured().rule(fleet.rule)

    assert not any(cell.broken for cell in rule.cells)
    assert fleet.evidence(pool="gone").short.total == 0


def test_a_series_that_never_existed_is_absent_and_not_zero(fleet: Fleet) -> None:
    """No attempt was ever late: there is no such series, and all attempts are good."""
    fleet.put("up", growing(0, start=1))
    fleet.put(GOOD, growing(2), pool="large", le="1")
    cells = fleet.measured().rule(fleet.rule).cells

    assert [cell.pool for cell in cells] == ["large"]
    assert all(not tally.bad for tally in cells[0].windows.values())
    assert (fleet.evidence().short.total, fleet.evidence().short.bad) == (120, 0)


def test_series_of_others_under_our_names_are_left_alone(fleet: Fleet) -> None:
    """Without a rule, or of another namespace, they are not ours."""
    fleet.serve()
    fleet.put(LATE, growing(50), pool="large", threshold="1", rule="")
    fleet.put(LATE, growing(50), pool="large", threshold="1", namespace="elsewhere")

    assert (fleet.evidence().short.total, fleet.evidence().short.bad) == (180, 60)
