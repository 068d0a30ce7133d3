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
from tokenfleet.api.ladder import LADDER_MILLISECONDS
from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey
from tokenfleet.domain.fleet.views import RouterView

BOARD = repository() / "charts" / "tokenfleet" / "files" / "dashboard.json"
LABELS = 'route="chat",rule="slow",pool="large",feature="suggestions",request_type="other"'
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


def histogram(name: str, count: int) -> Iterator[str]:
    """Observations of 300 ms."""
    for bound in [*(boundary / 1000 for boundary in LADDER_MILLISECONDS), math.inf]:
        le = "+Inf" if bound == math.inf else str(bound)
        yield f'tokenfleet_{name}_bucket{{{LABELS},le="{le}"}} {count if bound >= 0.3 else 0}'
    yield f"tokenfleet_{name}_sum{{{LABELS}}} {0.3 * count}"
    yield f"tokenfleet_{name}_count{{{LABELS}}} {count}"


def router(seconds: float) -> str:
    """What a router's agent says: ten requests a second."""
    count = int(10 * seconds)
    lines = [
        *histogram("time_to_first_token_seconds", count),
        *histogram("attempt_duration_seconds", count),
        *histogram("request_duration_seconds", count),
        *histogram("time_per_output_token_seconds", count),
        *(
            f'tokenfleet_{what}_total{{{LABELS},outcome="{outcome}"}} {ended}'
            for what in ("attempts", "requests")
            for outcome, ended in (("ok", count), ("server_error", 0))
        ),
        f"tokenfleet_prompt_tokens_total{{{LABELS}}} {100 * count}",
        f"tokenfleet_cached_prompt_tokens_total{{{LABELS}}} {60 * count}",
        f"tokenfleet_completion_tokens_total{{{LABELS}}} {40 * count}",
        f"tokenfleet_usage_missing_total{{{LABELS}}} 0",
        *(
            f'tokenfleet_late_attempts_total{{{LABELS},threshold="{boundary / 1000}"}}'
            f" {count if boundary < 300 else 0}"
            for boundary in LADDER_MILLISECONDS
        ),
        'tokenfleet_inflight{pool="large"} 3',
    ]
    return "\n".join(lines) + "\n"


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
