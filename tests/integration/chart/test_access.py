"""An installed operator and a Prometheus that asks who is there, with TLS and a user.

Wrong credentials are a condition that names the value to correct; the corrected Secret is taken up
by the pods that run.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.kit.kubectl import Cluster
from e2e.kit.namespaces import fresh, wait_account
from e2e.kit.waiting import NotYet, condition, wait_condition, wait_for
from tests.integration.chart.test_install import NAME, Release
from tests.support.authority import HASH, PASSWORD, Authority

pytestmark = pytest.mark.cluster

API = "tokenfleet.dev/v1alpha1"
WEB = f"""
tls_server_config: {{cert_file: prometheus.crt, key_file: prometheus.key}}
basic_auth_users: {{tokenfleet: {HASH}}}
"""


def secret(name: str, **texts: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {key.replace("_", "."): text for key, text in texts.items()},
    }


def fleet() -> list[dict[str, Any]]:
    """Return the least that is judged: nothing of it needs to run."""
    specs: dict[str, dict[str, Any]] = {
        "ServingPool": {
            "type": "Existing",
            "served": {"modelName": "m"},
            "existing": {"serviceRef": {"name": "engine", "port": 8000}},
        },
        "ModelRouter": {"managed": {"replicas": 1, "resources": {"requests": {"cpu": "10m"}}}},
        "ModelRoute": {
            "parentRefs": [{"name": "one"}],
            "modelNames": ["m"],
            "rules": [{"name": "all", "backendRefs": [{"name": "one"}]}],
        },
        "TokenSLO": {
            "targetRef": {"name": "one", "sectionName": "all"},
            "objective": {"type": "Latency", "latency": {"threshold": "500ms", "target": "0.9"}},
        },
    }
    engine = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "engine"},
        "spec": {"selector": {"app": "engine"}, "ports": [{"port": 8000}]},
    }
    return [engine] + [
        {"apiVersion": API, "kind": kind, "metadata": {"name": "one"}, "spec": spec}
        for kind, spec in specs.items()
    ]


def prometheus() -> list[dict[str, Any]]:
    """Return a Prometheus that scrapes itself, by the one file it is given."""
    container = {
        "name": "prometheus",
        "image": "prom/prometheus:v3.16.0",
        "args": [
            "--config.file=/etc/guarded/prometheus.yml",
            "--web.config.file=/etc/guarded/web.yml",
            "--storage.tsdb.path=/prometheus",
        ],
        "readinessProbe": {"tcpSocket": {"port": 9090}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "files", "mountPath": "/etc/guarded"},
            {"name": "data", "mountPath": "/prometheus"},
        ],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "prometheus", "labels": {"app": "prometheus"}},
        "spec": {
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "fsGroup": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [
                {"name": "files", "secret": {"secretName": "guarded"}},
                {"name": "data", "emptyDir": {}},
            ],
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "prometheus"},
        "spec": {"selector": {"app": "prometheus"}, "ports": [{"port": 9090}]},
    }
    return [pod, service]


@pytest.fixture(scope="module")
def release(cluster: Cluster, chart: Path, tmp_path_factory: Any) -> Iterator[Release]:
    """Install with a user of whom Prometheus knows another password."""
    with fresh(cluster, "tokenfleet-chart") as namespace:
        wait_account(namespace)
        authority = Authority(tmp_path_factory.mktemp("authority"))
        host = f"prometheus.{namespace.name}.svc"
        certificate = authority.issue("prometheus", host)
        namespace.apply(
            secret(
                "guarded",
                prometheus_yml="global: {scrape_interval: 15s}",
                web_yml=WEB,
                prometheus_crt=certificate.read_text(),
                prometheus_key=certificate.with_suffix(".key").read_text(),
            ),
            secret("user", password="yesterday's"),
            secret("tenant", **{"X-Scope-OrgID": "team-a"}),
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "authority"},
                "data": {"ca.crt": authority.file.read_text()},
            },
            *prometheus(),
        )
        found = Release(namespace, chart)
        access = {
            "url": f"https://{host}:9090",
            "tick": "2s",
            "basicAuth": {
                "username": "tokenfleet",
                "passwordSecretRef": {"name": "user", "key": "password"},
            },
            "tls": {"caConfigMapRef": {"name": "authority", "key": "ca.crt"}},
            "headersSecretRef": {"name": "tenant"},
        }
        found.apply("install", prometheus=access)
        namespace.apply(*fleet())
        yield found
        namespace.delete("modelrouter", "one")
        found.helm("uninstall", "--ignore-not-found", "--wait")


def test_wrong_credentials_are_a_condition_that_says_what_to_do(release: Release) -> None:
    denied = wait_condition(
        release.namespace,
        "tokenslo",
        "one",
        "DataAvailable",
        status="False",
        reason="AccessDenied",
        timeout=180,
    )
    log = release.namespace.run("logs", f"deployment/{NAME}", "--all-pods", "--tail=200")

    assert "correct the password of user tokenfleet (prometheus.basicAuth)" in denied["message"]
    assert "AccessDenied" in log
    assert "yesterday" not in log


def test_the_pod_spec_holds_no_credential(release: Release) -> None:
    text = release.namespace.run("get", "pods,deployments", "-o", "yaml")

    assert "yesterday" not in text


def test_the_corrected_secret_is_used_without_a_restart(release: Release) -> None:
    before = {
        pod["metadata"]["uid"] for pod in release.namespace.list("pods", "!tokenfleet.dev/router")
    }
    release.namespace.apply(secret("user", password=PASSWORD))

    def let_in() -> str | NotYet:
        found = condition(release.namespace.get("tokenslo", "one"), "DataAvailable")
        reason = str(found.get("reason", ""))
        return NotYet(reason) if reason in {"", "AccessDenied", "SourceError"} else reason

    # The kubelet looks at mounted Secrets about once a minute.
    reason = wait_for("another reason", let_in, timeout=300, namespace=release.namespace)
    after = {
        pod["metadata"]["uid"] for pod in release.namespace.list("pods", "!tokenfleet.dev/router")
    }

    assert reason in {"Absent", "NoTraffic", "LowCoverage"}
    assert after == before
