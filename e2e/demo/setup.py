"""Everything up to the first answer: Prometheus, the chart, models, manifests, and an open door."""

import json
from pathlib import Path

from e2e.kit import chart, models, prometheus
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import make
from e2e.kit.waiting import wait_condition

NAMESPACE = "tokenfleet-demo"
SCRAPE = "5s"
TICK = "5s"
START_LIMIT = 600.0
"""Seconds that two real engines get to start side by side on two cores."""


def say(text: str) -> None:
    """Tell the next step."""
    print(f"== {text}", flush=True)


def fleet(cluster: Cluster, manifests: Path) -> Namespace:
    """Bring up everything the manifests name; return its namespace."""
    say("Prometheus, scraping every 5 s")
    prometheus.install(cluster.namespace(prometheus.NAMESPACE), interval=SCRAPE)
    say("helm upgrade --install tokenfleet charts/tokenfleet")
    chart.install(cluster, chart.values(scrape=SCRAPE, tick=TICK))
    namespace = cluster.namespace(NAMESPACE)
    make(namespace)
    say("models: a target, its draft, and a small one, computed by a Job")
    models.make(namespace)
    for kind, name in (("tokenslo", "chat-latency"), ("modelroute", "chat")):
        namespace.delete(kind, name)  # an earlier story that was kept left its shares behind
    say("kubectl apply -f e2e/demo/manifests")
    print(namespace.apply(manifests), end="")
    wait_serving(namespace)
    return namespace


def wait_serving(namespace: Namespace) -> None:
    """Wait until pools, router and route are ready."""
    for pool in ("chat-small", "chat-large"):
        say(f"waiting for real vLLM to serve {pool}")
        wait_condition(namespace, "servingpool", pool, "Ready", timeout=START_LIMIT)
    wait_condition(namespace, "modelrouter", "default", "Ready", timeout=120)
    wait_condition(namespace, "modelroute", "chat", "Ready", timeout=60)
    print(namespace.run("get", "tokenfleet"), end="")


def acceptance(cluster: Cluster) -> float | None:
    """Return the accepted part of all drafted tokens, as vLLM counted them."""
    monitoring = cluster.namespace(prometheus.NAMESPACE)
    drafted = prometheus.number(monitoring, _total("num_draft_tokens"))
    accepted = prometheus.number(monitoring, _total("num_accepted_tokens"))
    return None if not drafted or accepted is None else accepted / drafted


def _total(name: str) -> str:
    labels = f'namespace={json.dumps(NAMESPACE)},pool="chat-large"'
    return f"sum(vllm:spec_decode_{name}_total{{{labels}}})"


def remove(namespace: Namespace) -> None:
    """Take away what the demo brought; the cluster itself and CRDs stay."""
    say("taking the demo away")
    namespace.delete("namespace", namespace.name, "--wait=false")
    chart.uninstall(namespace.cluster)
    prometheus.remove(namespace.cluster.namespace(prometheus.NAMESPACE))
