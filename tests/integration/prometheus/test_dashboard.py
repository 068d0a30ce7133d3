"""Every query of the dashboard returns data where a fleet is scraped.

What is scraped is what the operator's and the agent's own code writes about a small fleet.
"""

import json
import math
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from e2e.kit import repository
from tests.integration.prometheus.conftest import Exporter, Prometheus
from tests.unit.domain.fleet.builders import pool, route, slo
from tests.unit.domain.fleet.test_slo_status import SEEN
from tests.unit.handlers.test_telemetry import Bench, saturated
from tokenfleet.adapters.envoy.attempts import ATTEMPT, HISTOGRAM_BUCKETS, TTFT
from tokenfleet.adapters.envoy.exposition import translate
from tokenfleet.adapters.envoy.requests import CACHED, COMPLETION, PROMPT, REQUEST
from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey
from tokenfleet.domain.fleet.views import RouterView

BOARD = repository() / "charts" / "tokenfleet" / "files" / "dashboard.json"
KEY = "chat/slow|suggestions|other;large"
VARIABLES = {"$namespace": ".*", "$route": "chat", "$__rate_interval": "10s"}


def queries() -> list[Any]:
    panels = json.loads(BOARD.read_text(encoding="utf-8"))["panels"]
    return [
        pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
        for panel in panels
        for target in panel.get("targets", ())
    ]


class Operator:
    """What the operator says about one route, one objective and two pools."""

    def __init__(self) -> None:
        self.bench = Bench()
        shares = [{"name": "large", "share": 400}, {"name": "small", "share": 600}]
        self.bench.store.put(route(status={"rules": [{"name": "slow", "shares": shares}]}))
        self.bench.store.put(slo())
        for name in ("large", "small"):
            self.bench.store.put({**pool(name), "status": {"replicas": 2, "readyReplicas": 2}})
        view = RouterView(
            demand={"ns/large": 7.5},
            slos={"ttft": replace(SEEN, state="Shifted")},
            routes={"chat": saturated()},
        )
        self.bench.views.publish(ObjectKey(ROUTER, "ns", "default"), view)
        self.bench.rates = {"ns/ttft": {timedelta(minutes=5): 2.0, timedelta(hours=1): 1.0}}

    def text(self, _: float) -> str:
        telemetry = self.bench.telemetry
        telemetry.visited("modelroute", "success", 0.01)
        telemetry.wrote("TokenSLO", "status")
        telemetry.ticked(0.2, ok=True)
        telemetry.decided("T1")
        return telemetry.text().decode()


def histogram(stat: str, count: int, key: str = KEY) -> Iterator[str]:
    """Observations of 300 ms."""
    for bound in [*(str(b) for b in HISTOGRAM_BUCKETS), "+Inf"]:
        below = count if float(bound) >= 300 else 0
        yield f'envoy_tokenfleet_{stat}_bucket{{key="{key}",le="{bound}"}} {below}'
    yield f'envoy_tokenfleet_{stat}_sum{{key="{key}"}} {300 * count}'


def router(seconds: float) -> str:
    """What a router's agent says: ten requests a second."""
    count = int(10 * seconds)
    ok = f"{KEY};200;-"
    lines = [
        *histogram(TTFT, count),
        *histogram(ATTEMPT, count, ok),
        *histogram(REQUEST, count, ok),
        f'envoy_tokenfleet_{PROMPT}{{key="{KEY}"}} {100 * count}',
        f'envoy_tokenfleet_{CACHED}{{key="{KEY}"}} {60 * count}',
        f'envoy_tokenfleet_{COMPLETION}{{key="{KEY}"}} {40 * count}',
        'envoy_cluster_upstream_rq_active{envoy_cluster_name="large"} 3',
    ]
    return "\n".join(translate("\n".join(lines), early=frozenset())) + "\n"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    exporters = [Exporter("operator-1", Operator().text), Exporter("router-1", router)]
    found = Prometheus(tmp_path_factory.mktemp("dashboard"), exporters)
    found.start()
    try:
        yield found
    finally:
        found.stop()
        for exporter in exporters:
            exporter.close()


@pytest.mark.parametrize("query", queries())
def test_a_query_of_the_dashboard_returns_data(prometheus: Prometheus, query: str) -> None:
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query

    deadline = time.monotonic() + 30
    while not (values := answers(prometheus, query)):  # a rate needs two scrapes
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert [value for value in values if not math.isfinite(value)] == []


def answers(prometheus: Prometheus, query: str) -> list[float]:
    url = f"{prometheus.url}/api/v1/query?{urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        rows = json.loads(answer.read())["data"]["result"]
    return [float(row["value"][1]) for row in rows]
