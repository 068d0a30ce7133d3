"""A simulated fleet whose scrapes reach a real Prometheus, and the live tick that reads them there.

Nothing of the operator is replaced: the queries, the client, the reader and `step` are the ones of
`tokenfleet run`. Only time is simulated, and the routers and clients are the queueing model.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tests.support.remote_write import Written, write
from tokenfleet.adapters.prometheus.measure import measure
from tokenfleet.adapters.prometheus.source import Access, PrometheusSource
from tokenfleet.domain.fleet.subject import Subject
from tokenfleet.domain.slo.control.memory import RuleMemory
from tokenfleet.domain.slo.engine import Snapshot, step
from tokenfleet.domain.slo.observation.measurement import Measurement, RouterReplica
from tokenfleet.simulation.fleet import RULE, Scenario
from tokenfleet.simulation.policies import Shares
from tokenfleet.simulation.scrapes import EPOCH, REPLICA, Store

POD = {"namespace": RULE.namespace, "pod": REPLICA}
SERIES = {
    **POD,
    "route": RULE.route,
    "rule": RULE.rule,
    "feature": "other",
    "request_type": "other",
}


def scraped(store: Store, first: int) -> list[Written]:
    """What Prometheus stores of the scrapes from this one on."""
    begun = EPOCH.timestamp()
    times = [begun + t for t in store.times[first:]]
    ones = [(at, 1.0) for at in times]
    found: list[Written] = [("up", POD, ones), ("tokenfleet_router_applied_revision", POD, ones)]
    for line in store.books:
        pool, labels = line.pool, {**SERIES, "pool": line.pool}
        counts = store.counted(line)[first:]
        good = [(at, float(n.good)) for at, n in zip(times, counts, strict=True)]
        bad = [(at, float(n.bad)) for at, n in zip(times, counts, strict=True)]
        sent = [(at, float(n.good + n.bad)) for at, n in zip(times, counts, strict=True)]
        waiting = [seen.get(pool, 0.0) for seen in store.waiting[first:]]
        engine = {"namespace": POD["namespace"], "pool": pool}
        bucket = "tokenfleet_time_to_first_token_seconds_bucket"
        found += [
            (bucket, {**labels, "le": "2.5"}, good),
            (bucket, {**labels, "le": "+Inf"}, good),
            ("tokenfleet_late_attempts_total", {**labels, "threshold": "2.5"}, bad),
            ("tokenfleet_requests_started_total", labels, sent),
            ("vllm:num_requests_waiting", engine, list(zip(times, waiting, strict=True))),
        ]
    return found


@dataclass
class Live:
    """Decides as the operator does, with a real Prometheus in between."""

    url: str
    scenario: Scenario
    subject: Subject
    memory: Mapping[str, RuleMemory] = field(default_factory=dict)
    decisions: list[tuple[str, str]] = field(default_factory=list)
    """(identifier, transition)."""
    states: list[str] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    scrapes: int = 0
    changed: float = float("-inf")
    before: Measurement | None = None

    def __post_init__(self) -> None:
        self.source = PrometheusSource(Access(url=self.url))
        self.runner = asyncio.Runner()

    def close(self) -> None:
        self.source.close()
        self.runner.close()

    def decide(self, t: float, store: Store, shares: Shares) -> Shares:
        t = round(t, 3)  # what a query can say
        if self.scrapes < len(store.times):
            write(self.url, scraped(store, self.scrapes))
            self.scrapes = len(store.times)
        now = EPOCH + timedelta(seconds=t)
        replicas = (RouterReplica(**POD, since=EPOCH - timedelta(days=1)),)
        measurement = self.runner.run(
            measure(
                self.source,
                objectives=self.subject.objectives,
                replicas=replicas,
                at=now,
                scrape_interval=timedelta(seconds=store.interval),
                before=self.before,
            )
        )
        self.before = measurement if measurement.failure is None else self.before
        acknowledged = self.changed + self.scenario.acknowledge_after
        outcome = step(
            Snapshot(
                rules=self.subject.rules,
                objectives=self.subject.objectives,
                pools=self.subject.pools,
                replicas=replicas,
                measurement=measurement,
                acknowledged_at=EPOCH + timedelta(seconds=max(0.0, acknowledged))
                if acknowledged <= t
                else None,
            ),
            self.memory,
            now,
        )
        self.memory = outcome.memory
        self.ticks.append(t)
        self.decisions += [(taken.id, taken.decision.transition) for taken in outcome.decisions]
        self.states.append(outcome.slos[self.subject.objectives[0].key].data.kind.value)
        self.export(t, outcome.shares[str(RULE)])
        parts = {pool: n / 1000 for pool, n in outcome.shares[str(RULE)].items()}
        if parts == shares[RULE]:
            return shares
        self.changed = t
        return {RULE: parts}

    def export(self, t: float, shares: Mapping[str, int]) -> None:
        """The operator's own metrics, scraped a little later, under the names they get there."""
        at = EPOCH.timestamp() + t + 0.5
        place = {"namespace": "tokenfleet-system", "exported_namespace": RULE.namespace}
        labels = {**place, "route": RULE.route, "rule": RULE.rule}
        series: list[Written] = [
            ("tokenfleet_route_share", {**labels, "pool": pool}, [(at, share / 1000)])
            for pool, share in shares.items()
        ]
        series += [
            ("tokenfleet_pool_ready_replicas", {**place, "pool": pool}, [(at, 1.0)])
            for pool in shares
        ]
        write(self.url, series)
