"""Another engine, and a provider, stand in for a pool that misses its objective, and hand it back."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest

from e2e.cluster import llama as build
from e2e.kit import prometheus
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.proxy import ApiProxy
from e2e.kit.waiting import NotYet, wait_for
from e2e.load.records import Record
from e2e.stories import fleet as written
from e2e.stories import llama, provider
from e2e.stories.fleet import PRIMARY, SLO, Fleet, finished

LLAMA = "llama"
ENOUGH = 20
"""Answers of the fallback after which its pool may get well."""


@pytest.fixture(scope="module")
def fleet(cluster: Cluster, operator: Namespace, proxy: ApiProxy) -> Iterator[Fleet]:
    """Return a fleet with one pool of the engine that all others here use."""
    assert operator
    with fresh(cluster, "fallbacks") as namespace:
        made = Fleet(namespace=namespace, proxy=proxy)
        made.apply(
            written.pool(PRIMARY),
            written.router(managed={"replicas": 1}),
            written.route(rules=[{"name": "own", "backendRefs": [{"name": PRIMARY}]}]),
        )
        made.wait_ready()
        yield made


def there_and_back(fleet: Fleet, fallback: str) -> list[Record]:
    """Let the primary miss its objective until the fallback serves, then let it get well."""
    fleet.rule = f"or-{fallback}"
    rule = {
        "name": fleet.rule,
        "backendRefs": [{"name": PRIMARY}],
        "fallbackRefs": [{"name": fallback}],
    }
    fleet.apply(written.route(rules=[rule]))
    fleet.wait_baseline()
    fleet.programmed()
    load = fleet.start_load(rate=8)
    fleet.breach()

    def served() -> bool | NotYet:
        found = [record for record in load.live if record.pool == fallback]
        return len(found) >= ENOUGH or NotYet(f"{len(found)} answers of {fallback}")

    wait_for(f"{fallback} to stand in", served, timeout=240, namespace=fleet.namespace)
    fleet.behave(PRIMARY)
    seen = fleet.climb()
    records = finished(load, at_least=100)
    fleet.namespace.delete("tokenslo", SLO)

    assert len(seen) >= 2, f"not in steps: {seen}"
    assert all(later > earlier for earlier, later in pairwise(seen)), seen
    return [record for record in records if record.pool == fallback]


@pytest.mark.skipif(
    build.switched_off(), reason=f"{build.SWITCH}=off leaves out the build of llama.cpp"
)
def test_a_breach_of_vllm_is_served_by_llama_cpp_until_vllm_is_well(
    fleet: Fleet, monitoring: Namespace
) -> None:
    llama.lay(fleet.namespace)
    direct = {"name": "all", "backendRefs": [{"name": LLAMA}]}
    fleet.apply(llama.pool(LLAMA), written.route("direct", modelNames=["direct"], rules=[direct]))
    fleet.wait_ready()
    streamed = fleet.chat("direct", stream=True).text
    records = there_and_back(fleet, LLAMA)

    assert streamed.endswith("data: [DONE]\n\n")
    assert "usage" not in streamed, "its user did not ask for it"
    asked = sum(record.tokens for record in records)
    where = f'{{namespace="{fleet.namespace.name}",pool="{LLAMA}"}}'

    def counted() -> float | NotYet:
        found = prometheus.number(monitoring, f"sum(tokenfleet_completion_tokens_total{where})")
        return found if found and found >= asked else NotYet(f"{found} tokens of {asked}")

    wait_for("its tokens to be counted", counted, timeout=180, namespace=fleet.namespace)
    missed = prometheus.number(monitoring, f"sum(tokenfleet_usage_missing_total{where})")
    assert not missed, "the router asks for what llama.cpp tells only when asked"


def test_a_breach_is_served_by_a_provider_and_paid_for(fleet: Fleet, monitoring: Namespace) -> None:
    fleet.namespace.apply(provider.key("sk-one"))
    provider.let_read(fleet.namespace)
    fleet.apply(*provider.documents(fleet.namespace))
    fleet.wait("servingpool", provider.NAME, "Ready", timeout=180)
    records = there_and_back(fleet, provider.NAME)

    owed = len(records) * provider.COST

    def paid() -> float | NotYet:
        cost = spent(fleet, monitoring)
        if isinstance(cost, NotYet):
            return cost
        return cost if 0.5 * owed < cost < 1.5 * owed else NotYet(f"{cost} of {owed}")

    wait_for("the bill", paid, timeout=180, every=3, namespace=fleet.namespace)


def spent(fleet: Fleet, monitoring: Namespace) -> float | NotYet:
    """Return what `tokenfleet costs` says of the last quarter of an hour."""
    prometheus_url = fleet.proxy.url(
        f"/api/v1/namespaces/{monitoring.name}/services/prometheus:9090/proxy"
    )
    done = subprocess.run(
        [sys.executable, "-m", "tokenfleet.cli.main", "costs", "--by=feature", "--from=15m",
         "--output=json", f"--prometheus-url={prometheus_url}",
         f"--kubeconfig={fleet.namespace.cluster.kubeconfig}", f"-n={fleet.namespace.name}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        return NotYet(done.stderr)
    return sum(row["cost"] or 0.0 for row in json.loads(done.stdout))
