"""How the process itself is: what it cannot see, how old its last look is, how late it runs."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

LOOK: Final = 0.5
"""Seconds between two looks at the event loop's clock."""

LAGS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
"""Boundaries in seconds: a plan takes milliseconds; a second is what probes still forgive."""

FAILED: Final = "<error>"
"""Code of a request that got no answer; client-go's word."""


class Vitals(Collector):
    """Counts, and looks when asked."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        blind: Callable[[], Mapping[str, str]],
        age: Callable[[], float],
    ) -> None:
        """Ask `blind` for the namespaces not seen, and `age` for seconds since a resync."""
        self._blind, self._age = blind, age
        self._requests = Counter(
            "rest_client_requests_total",
            "Requests to the API server, without watches.",
            ["code", "method", "host"],
            registry=registry,
        )
        self._lag = Histogram(
            "tokenfleet_event_loop_lag_seconds",
            "How late the event loop runs what is due.",
            buckets=LAGS,
            registry=registry,
        )
        registry.register(self)

    def answered(self, method: str, host: str, code: int | None) -> None:
        """Count a request; None: there was no answer."""
        self._requests.labels(FAILED if code is None else str(code), method, host).inc()

    async def run(self) -> None:
        """Watch the event loop until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK
            await asyncio.sleep(LOOK)
            self._lag.observe(max(0.0, loop.time() - due))

    def collect(self) -> Iterable[Metric]:
        """Return what holds at this moment."""
        blind = GaugeMetricFamily(
            "tokenfleet_namespace_blind",
            "1 for a watched namespace that cannot be listed; the empty name is the whole cluster.",
            labels=["namespace"],
        )
        for name in sorted(self._blind()):
            blind.add_metric([name], 1)
        age = GaugeMetricFamily(
            "tokenfleet_resync_age_seconds", "Seconds since all watched kinds were last compared."
        )
        age.add_metric([], self._age())
        return blind, age
