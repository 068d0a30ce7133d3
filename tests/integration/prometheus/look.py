"""One look at the real Prometheus, through the real client and the real reader."""

import asyncio
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.prometheus.conftest import SCRAPE_SECONDS, Bench
from tests.integration.prometheus.recorded import Recorded
from tokenfleet.adapters.prometheus.measure import measure
from tokenfleet.adapters.prometheus.source import Access, PrometheusSource
from tokenfleet.domain.slo.objectives.spec import Promise
from tokenfleet.domain.slo.observation.measurement import Measurement, RouterReplica


def now() -> datetime:
    return datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME), tz=UTC)


def expected(bench: Bench | Recorded, since: datetime | None = None) -> list[RouterReplica]:
    """The replicas whose scrapes are expected, by default for an hour."""
    long_ago = since or now() - timedelta(hours=1)
    return [RouterReplica(namespace="team-a", pod=pod, since=long_ago) for pod in bench.pods]


def look(
    bench: Bench | Recorded,
    objectives: Collection[Promise],
    *,
    at: datetime | None = None,
    since: datetime | None = None,
    **access: Any,
) -> Measurement:
    """Measure what these objectives need, by default now."""

    async def once() -> Measurement:
        source = PrometheusSource(Access(url=bench.prometheus.url, **access))
        try:
            return await measure(
                source,
                objectives=objectives,
                replicas=expected(bench, since),
                at=at or now(),
                scrape_interval=timedelta(seconds=SCRAPE_SECONDS),
            )
        finally:
            source.close()

    return asyncio.run(once())
