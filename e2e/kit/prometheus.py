"""A Prometheus in the cluster, and queries to it through the API server."""

import json
from typing import Any
from urllib.parse import quote

import yaml

from e2e.kit import manifests_folder
from e2e.kit.kubectl import Namespace
from e2e.kit.namespaces import make
from e2e.kit.waiting import NotYet, wait_for

NAMESPACE = "monitoring"
URL = f"http://prometheus.{NAMESPACE}.svc:9090"
"""Where the operator reaches it."""

_READER = "tokenfleet-e2e-prometheus"


def install(namespace: Namespace, *, interval: str = "5s") -> None:
    """Run Prometheus, scraping pods of all namespaces at an interval such as `5s`; wait for it.

    It may read pods everywhere, and nothing else: stories come with namespaces of their own.
    """
    make(namespace)
    text = (manifests_folder() / "prometheus.yaml").read_text(encoding="utf-8")
    documents = list(yaml.safe_load_all(text.replace("INTERVAL", interval)))
    namespace.apply(*documents, *_may_read_pods(namespace.name))
    wait_ready(namespace)


def _may_read_pods(namespace: str) -> tuple[dict[str, Any], dict[str, Any]]:
    rbac, group = "rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    subject = {"kind": "ServiceAccount", "name": "prometheus", "namespace": namespace}
    name = {"name": _READER}
    return (
        {"apiVersion": rbac, "kind": "ClusterRole", "metadata": name, "rules": rules},
        {
            "apiVersion": rbac,
            "kind": "ClusterRoleBinding",
            "metadata": name,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": _READER},
            "subjects": [subject],
        },
    )


def remove(namespace: Namespace) -> None:
    """Take it away with everything it was given."""
    namespace.delete("clusterrolebinding", _READER)
    namespace.delete("clusterrole", _READER)
    namespace.delete("namespace", namespace.name)


def scale(namespace: Namespace, replicas: int) -> None:
    """Stop it with 0, start it with 1; returns when that is done."""
    namespace.run("scale", "deployment/prometheus", f"--replicas={replicas}")
    if replicas:
        wait_ready(namespace)
        return

    def gone() -> bool | NotYet:
        left = namespace.list("pods", "app=prometheus")
        return NotYet(f"{len(left)} pod") if left else True

    wait_for("Prometheus to stop", gone, timeout=120, namespace=namespace)


def wait_ready(namespace: Namespace) -> None:
    """Wait until it answers."""
    namespace.run("rollout", "status", "deployment/prometheus", "--timeout=240s", timeout=250)


def query(namespace: Namespace, promql: str) -> list[tuple[dict[str, str], float]]:
    """Evaluate now; return rows of labels and value."""
    service = f"/api/v1/namespaces/{namespace.name}/services/prometheus:9090/proxy"
    text = namespace.run("get", "--raw", f"{service}/api/v1/query?query={quote(promql)}")
    rows = json.loads(text)["data"]["result"]
    return [(row["metric"], float(row["value"][1])) for row in rows]


def number(namespace: Namespace, promql: str) -> float | None:
    """Evaluate a query that has one row; None where it has none."""
    rows = query(namespace, promql)
    return rows[0][1] if rows else None
