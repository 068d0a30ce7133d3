"""Whatever goes wrong on the way to a real Prometheus is a named data state, and the loop holds.

Two rules stand before a decision each: the primary of one is bad, so that traffic would be shifted;
the primary of the other has recovered, so that traffic would go back. With Prometheus in order both
are taken; with any fault neither is.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.integration.prometheus import faults
from tests.integration.prometheus.conftest import SCRAPE_SECONDS, Exporter, Prometheus
from tests.integration.prometheus.faults import Fault, Proxy
from tests.integration.prometheus.look import now
from tests.integration.prometheus.test_measure import SLO as PLAIN
from tests.integration.prometheus.test_measure import exposition
from tests.unit.domain.slo.builders import facts, target
from tokenfleet.adapters.prometheus.measure import measure
from tokenfleet.adapters.prometheus.source import Access, PrometheusSource
from tokenfleet.domain.slo.control.memory import LoopMemory, RuleMemory, State
from tokenfleet.domain.slo.engine import Outcome, Snapshot, step
from tokenfleet.domain.slo.objectives.spec import Policy
from tokenfleet.domain.slo.observation.measurement import Measurement, RouterReplica, RuleKey

BAD, HEALED = RuleKey("team-a", "chat", "slow"), RuleKey("team-a", "chat", "healed")
STALENESS = timedelta(seconds=5)
PATIENCE, HASTE = timedelta(seconds=60), timedelta(seconds=2)
"""For an answer: where one comes, however slowly, and where none does."""
SLOS = [
    replace(
        PLAIN,
        name=rule.rule,
        rule=rule.rule,
        max_staleness=STALENESS,
        # Half of it must prove a pool well, and this store is only some seconds old.
        policy=Policy(dwell=timedelta(seconds=6)),
    )
    for rule in (BAD, HEALED)
]
HALF = {"large": 500, "small": 500}
ALL = {"large": 1000, "small": 0}


class Loop:
    """The measuring half of an operator, asking through the proxy, and its control loop."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy, self.patience = proxy, PATIENCE
        self.replica = RouterReplica(
            namespace="team-a", pod="router-1", since=now() - timedelta(hours=1)
        )

    def look(self) -> Measurement:
        async def once() -> Measurement:
            source = PrometheusSource(Access(url=self.proxy.url, timeout=self.patience))
            try:
                return await measure(
                    source,
                    objectives=SLOS,
                    replicas=[self.replica],
                    at=now(),
                    scrape_interval=timedelta(seconds=SCRAPE_SECONDS),
                )
            finally:
                source.close()

        return asyncio.run(once())

    def decide(self, measured: Measurement) -> Outcome:
        snapshot = Snapshot(
            rules=(target(key=BAD), target(key=HEALED)),
            objectives=tuple(SLOS),
            pools=facts(),
            replicas=(self.replica,),
            measurement=measured,
            acknowledged_at=measured.at - timedelta(hours=1),
        )
        # Both objectives have seen before: one that never has would not be heard at all.
        seen = RuleMemory(blind_since={BAD.rule: None})
        return step(snapshot, {str(BAD): seen, str(HEALED): recovering(measured.at)}, measured.at)

    def reason(self, measured: Measurement) -> str:
        data = {name: view.data for name, view in self.decide(measured).slos.items()}
        assert len({(state.kind, state.reason) for state in data.values()}) == 1
        return data[SLOS[0].key].reason


def recovering(at: datetime) -> RuleMemory:
    """Half of the traffic is back, for long enough to take the next step."""
    loop = LoopMemory(
        state=State.RECOVERING,
        w=0.5,
        fallback="small",
        last_good=0.5,
        changed_at=at - timedelta(minutes=20),
    )
    return RuleMemory(loops={"large": loop}, blind_since={HEALED.rule: None})


def text(seconds: float) -> str:
    bad = exposition(seconds, "large", 6, 4, boundary="1")
    healed = exposition(seconds, "large", 10, 0, boundary="1").replace('"slow"', '"healed"')
    samples = [line for line in healed.splitlines(keepends=True) if line[0] != "#"]
    return bad + "".join(samples)


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    exporter = Exporter("router-1", text)
    prometheus = Prometheus(tmp_path_factory.mktemp("faults"), [exporter])
    prometheus.start()
    proxy = Proxy(prometheus.url)
    try:
        yield Loop(proxy)
    finally:
        proxy.close()
        prometheus.stop()
        exporter.close()


@pytest.fixture(autouse=True)
def covered(loop: Loop) -> None:
    """Begin with a store that can be seen, and for which both decisions are due."""
    loop.proxy.fault, loop.patience = faults.healthy, PATIENCE
    deadline = time.monotonic() + 120
    while due(loop, measured := loop.look()) != {BAD: "T1", HEALED: "T4"}:
        assert time.monotonic() < deadline, measured
        time.sleep(0.5)


def due(loop: Loop, measured: Measurement) -> dict[RuleKey, str]:
    """What would be decided now."""
    if loop.reason(measured):
        return {}
    return {taken.rule: taken.decision.transition for taken in loop.decide(measured).decisions}


FAULTS = [
    pytest.param(faults.hangs, "SourceError", "did not answer within 2 s", id="hangs"),
    pytest.param(faults.cut, "SourceError", "prometheus: ", id="is cut off within an answer"),
    pytest.param(faults.answers(500, "oops"), "SourceError", "500", id="answers 500"),
    pytest.param(faults.answers(503, "starting"), "SourceError", "starting", id="answers 503"),
    pytest.param(faults.answers(429), "SourceError", "429", id="limits the rate"),
    pytest.param(faults.answers(200, "<html>"), "SourceError", "prometheus", id="answers in HTML"),
    pytest.param(faults.answers(401), "AccessDenied", "prometheus.basicAuth", id="refuses"),
    pytest.param(
        faults.answers(302, Location="https://login"),
        "AccessDenied",
        "https://login",
        id="sends to a login page",
    ),
    pytest.param(
        faults.adds(warnings=["store b is down"]), "Partial", "store b is down", id="is partial"
    ),
    pytest.param(faults.fails_for("late_attempts"), "SourceError", "500", id="fails in one part"),
    pytest.param(faults.empty, "Absent", "router-1 is not scraped", id="has nothing"),
    pytest.param(faults.skewed(45), "ClockSkew", "in the future", id="has a clock that is ahead"),
    pytest.param(faults.skewed(-45), "Stale", "newest sample", id="has a clock that is behind"),
]


@pytest.mark.parametrize(("fault", "reason", "words"), FAULTS)
def test_a_fault_is_named_and_the_loop_holds(
    loop: Loop, fault: Fault, reason: str, words: str
) -> None:
    loop.proxy.fault = fault
    loop.patience = HASTE if fault is faults.hangs else PATIENCE
    measured = loop.look()
    outcome = loop.decide(measured)
    data = outcome.slos[SLOS[0].key].data

    assert (data.kind.value, data.reason) == ("Unknown", reason)
    assert words in data.message
    assert outcome.decisions == ()
    assert outcome.shares == {str(BAD): ALL, str(HEALED): HALF}


def test_a_store_that_refuses_connections_is_named_and_seen_again_at_once(loop: Loop) -> None:
    """It went on scraping behind the fault: its windows are covered when it is back."""
    loop.proxy.close()
    try:
        down = loop.look()
        held = loop.decide(down)
    finally:
        loop.proxy.open()
    back = loop.look()

    assert loop.reason(down) == "SourceError"
    assert held.decisions == ()
    assert loop.reason(back) == ""
    assert len(loop.decide(back).decisions) == 2


def test_answers_that_do_not_grow_older_than_allowed_are_stale(loop: Loop) -> None:
    loop.proxy.fault = faults.frozen()
    first = loop.look()
    time.sleep(STALENESS.total_seconds() + 1)
    later = loop.look()

    assert loop.reason(first) == ""
    assert loop.reason(later) == "Stale"
    assert loop.decide(later).decisions == ()


def test_remarks_about_a_query_are_no_missing_data(loop: Loop) -> None:
    """Prometheus 3 sends `infos` with complete answers."""
    loop.proxy.fault = faults.adds(infos=["metric might not be a counter"])

    assert loop.reason(loop.look()) == ""
