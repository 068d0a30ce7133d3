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
from tokenfleet.domain.pools.engines.families import FAMILIES
from tokenfleet.handlers.declared_metrics import DeclaredCollector

BOARD = repository() / "charts" / "tokenfleet" / "files" / "dashboard.json"
PLACE = 'namespace="ns",pool="large"'
LABELS = f'{PLACE},route="chat",rule="slow",feature="suggestions",request_type="other"'
VARIABLES = {"$namespace": "ns", "$route": "chat", "$rule": "slow", "$__rate_interval": "10s"}
PANELS = [
    panel
    for panel in json.loads(BOARD.read_text(encoding="utf-8"))["panels"]
    if panel["type"] != "row"
]
POOLS = ("large", "sglang", "llama", "tensorrt")
"""One of each engine family."""
WAITING = dict(zip((family.SIGNALS.waiting[0] for family in FAMILIES.values()), POOLS, strict=True))
FULL = {
    family.SIGNALS.kv_cache[0]: pool
    for family, pool in zip(FAMILIES.values(), POOLS, strict=True)
    if family.SIGNALS.kv_cache
}
"""Series -> the pool whose engine tells it."""
TOKENS = {
    "type": "PerMillionTokens",
    "perMillionTokens": {"prompt": "0.15", "cacheWrite": "0.35", "completion": "0.6"},
}
REPLICAS = {"type": "PerReplicaHour", "perReplicaHour": "2.5"}


def of_the_fleet(panel: dict[str, Any]) -> bool:
    """Panels of the operator's own process know no namespace and no route, and say so."""
    return "whatever is chosen above" not in panel["description"]


def queries(panels: list[dict[str, Any]]) -> list[Any]:
    return [
        pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
        for panel in panels
        for target in panel["targets"]
    ]


class Operator:
    """What the operator says about one route, one objective and two pools."""

    def __init__(self) -> None:
        self.bench = Bench()
        shares = [{"name": "large", "share": 400}, {"name": "small", "share": 600}]
        self.bench.store.put(route(status={"rules": [{"name": "slow", "shares": shares}]}))
        self.bench.store.put(slo())
        for name, price in (("large", TOKENS), ("small", REPLICAS)):
            status = {"replicas": 2, "readyReplicas": 2}
            self.bench.store.put({**pool(name, price=price), "status": status})
        self.bench.telemetry.registry.register(DeclaredCollector(self.bench.store))
        view = RouterView(
            demand={"ns/large": 7.5},
            slos={"ns/ttft": replace(SEEN, state="Shifted")},
            routes={"ns/chat": saturated()},
        )
        self.bench.views.publish(ObjectKey(ROUTER, "ns", "default"), view)
        self.bench.rates = {"ns/ttft": {timedelta(minutes=5): 2.0, timedelta(hours=1): 1.0}}

    def text(self, _: float) -> str:
        telemetry = self.bench.telemetry
        telemetry.visited("modelroute", "success", 0.01)
        telemetry.wrote("TokenSLO", "status")
        telemetry.ticked(0.2, ok=True)
        telemetry.decided("ns", "chat", "T1")
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
        f"tokenfleet_requests_started_total{{{LABELS}}} {count}",
        f"tokenfleet_prompt_tokens_total{{{LABELS}}} {100 * count}",
        f"tokenfleet_cached_prompt_tokens_total{{{LABELS}}} {60 * count}",
        f"tokenfleet_cache_creation_prompt_tokens_total{{{LABELS}}} {5 * count}",
        f"tokenfleet_completion_tokens_total{{{LABELS}}} {40 * count}",
        f"tokenfleet_usage_missing_total{{{LABELS}}} 0",
        *(
            f'tokenfleet_late_attempts_total{{{LABELS},threshold="{boundary / 1000}"}}'
            f" {count if boundary < 300 else 0}"
            for boundary in LADDER_MILLISECONDS
        ),
        f"tokenfleet_inflight{{{PLACE}}} 3",
        *(f'{name}{{namespace="ns",pool="{pool}"}} 0.4' for name, pool in FULL.items()),
        *(f'{name}{{namespace="ns",pool="{pool}"}} 2' for name, pool in WAITING.items()),
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


def chosen(query: str, **other: str) -> str:
    for name, value in VARIABLES.items():
        query = query.replace(name, other.get(name[1:], value))
    assert "$" not in query
    return query


def waited_for(prometheus: Prometheus, query: str) -> list[float]:
    deadline = time.monotonic() + 120
    while not (values := answers(prometheus, query)):  # a rate needs two scrapes
        assert time.monotonic() < deadline, query
        time.sleep(0.5)
    return values


@pytest.mark.parametrize("query", queries(PANELS))
def test_a_query_of_the_dashboard_returns_data(prometheus: Prometheus, query: str) -> None:
    values = waited_for(prometheus, chosen(query))

    assert [value for value in values if not math.isfinite(value)] == []


@pytest.mark.parametrize("query", queries([panel for panel in PANELS if of_the_fleet(panel)]))
def test_a_query_of_the_dashboard_respects_what_is_chosen(
    prometheus: Prometheus, query: str
) -> None:
    waited_for(prometheus, chosen(query))

    assert answers(prometheus, chosen(query, namespace="another")) == []
    assert answers(prometheus, chosen(query, route="another")) == []


def value_of(prometheus: Prometheus, title: str, at: int = 0) -> float:
    (panel,) = [panel for panel in PANELS if panel["title"] == title]
    (value,) = waited_for(prometheus, chosen(panel["targets"][at]["expr"]))
    return value


def test_numbers_of_the_dashboard_are_the_ones_that_go_in(prometheus: Prometheus) -> None:
    """10/s of 100 prompt tokens, 5 of them written to a cache, and 40 of answer."""
    request = (95 * 0.15 + 5 * 0.35 + 40 * 0.6) / 1e6

    assert value_of(prometheus, "Bad fraction") == pytest.approx(SEEN.burn_rate * 0.05)
    assert value_of(prometheus, "Bad fraction", 1) == pytest.approx(0.05)
    assert value_of(prometheus, "Cost per request by feature") == pytest.approx(request, rel=0.01)
    hour, requests = (
        value_of(prometheus, title) for title in ("Cost per hour by feature", "Requests by feature")
    )
    assert hour / requests == pytest.approx(3600 * request, rel=0.2)  # one scrape may lie between
    assert value_of(prometheus, "Cost per hour by pool") == pytest.approx(2 * 2.5)
    assert value_of(prometheus, "Demand") == 7.5


@pytest.mark.parametrize(
    ("title", "told"), [("KV cache", FULL), ("Queue", WAITING)], ids=["KV cache", "Queue"]
)
def test_a_panel_of_engines_shows_every_family(
    prometheus: Prometheus, title: str, told: dict[str, str]
) -> None:
    (panel,) = [panel for panel in PANELS if panel["title"] == title]
    (target,) = panel["targets"]
    engines, joined, _ = chosen(target["expr"]).partition(" and on (namespace, pool)")

    assert joined
    assert len(waited_for(prometheus, engines)) == len(told)


def test_shares_of_a_panel_add_up_to_a_whole_at_most() -> None:
    """Each rule's shares are a whole: two rules in one stack would be 200 %."""
    shares = [
        panel
        for panel in PANELS
        if any(
            "tokenfleet_route_share{" in target["expr"].partition(" and ")[0]
            for target in panel["targets"]
        )
    ]
    stacked = {
        panel["title"]: panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"]
        for panel in shares
    }

    assert stacked == {"Share by pool: $rule": "percent"}
    assert [panel["repeat"] for panel in shares] == ["rule"]


def answers(prometheus: Prometheus, query: str) -> list[float]:
    url = f"{prometheus.url}/api/v1/query?{urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        rows = json.loads(answer.read())["data"]["result"]
    return [float(row["value"][1]) for row in rows]
