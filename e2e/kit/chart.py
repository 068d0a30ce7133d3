"""Tokenfleet's own chart, installed as a user installs it."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from e2e.kit import prometheus, repository
from e2e.kit.kubectl import Cluster, Namespace

NAMESPACE = "tokenfleet-system"
RELEASE = "tokenfleet"


def values(*, scrape: str, tick: str) -> dict[str, Any]:
    """Return chart values for a Prometheus of the kit; `scrape` and `tick` such as `5s`.

    The annotation makes an operator that is still there start again when the code has changed: a
    working tree has one image tag.
    """
    return {
        "prometheus": {"url": prometheus.URL, "scrapeInterval": scrape, "tick": tick},
        "sidecarInjection": {"enabled": True},
        "podAnnotations": {"tokenfleet.dev/source": _source()},
    }


def _source() -> str:
    digest = hashlib.sha256()
    for path in sorted((repository() / "operator" / "src").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def install(cluster: Cluster, values: dict[str, Any], *, chart: Path | None = None) -> Namespace:
    """Install or upgrade the operator and wait until it is ready; return its namespace."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        cluster.run_helm(
            "upgrade",
            RELEASE,
            str(chart or repository() / "charts" / "tokenfleet"),
            "--install",
            "--namespace",
            NAMESPACE,
            "--create-namespace",
            "--values",
            file.name,
            "--wait",
            "--timeout",
            "300s",
        )
    return cluster.namespace(NAMESPACE)


def uninstall(cluster: Cluster) -> None:
    """Take the operator away; CRDs, pools and routers stay."""
    cluster.run_helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--ignore-not-found")


def current_values(cluster: Cluster) -> dict[str, Any]:
    """Return the values that the release was installed with."""
    text = cluster.run_helm("get", "values", RELEASE, "--namespace", NAMESPACE, "-o", "json")
    return dict(json.loads(text) or {})
