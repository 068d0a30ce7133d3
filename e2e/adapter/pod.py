"""Runs the adapter in the cluster and registers it with the API server."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from e2e.kit import prometheus, restricted
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.waiting import wait_condition

NAME = "tokenfleet-e2e-adapter"
SERVICE = "v1beta1.external.metrics.k8s.io"
IMAGE = "ghcr.io/tokenfleet/operator:0.1.0"
"""Any image with Python; this one is there."""


@contextmanager
def serving(cluster: Cluster, monitoring: Namespace) -> Iterator[None]:
    """Serve external metrics beside Prometheus until the block ends."""
    monitoring.apply(*_manifests(monitoring.name))
    try:
        monitoring.run("rollout", "status", f"deployment/{NAME}", "--timeout=180s", timeout=190)
        wait_condition(cluster.namespace(""), "apiservice", SERVICE, "Available", timeout=180)
        yield
    finally:
        for kind, name in (
            ("apiservice", SERVICE),
            ("clusterrolebinding", NAME),
            ("clusterrole", NAME),
            ("deployment", NAME),
            ("service", NAME),
            ("secret", NAME),
        ):
            monitoring.delete(kind, name)


def _manifests(namespace: str) -> list[dict[str, Any]]:
    labels = {"app": NAME}
    rbac = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": ["external.metrics.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]}
    ]
    autoscaler = "horizontal-pod-autoscaler"
    subject = {"kind": "ServiceAccount", "name": autoscaler, "namespace": "kube-system"}
    certificate, key = _certificate(f"{NAME}.{namespace}.svc")
    code = (Path(__file__).parent / "__main__.py").read_text(encoding="utf-8")
    files = {"adapter.py": code, "tls.crt": certificate, "tls.key": key}

    def named(kind: str, version: str, body: dict[str, Any], name: str = NAME) -> dict[str, Any]:
        return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **body}

    service = {
        "spec": {"selector": labels, "ports": [{"port": 443, "targetPort": "https"}]},
    }
    registered = {
        "spec": {
            "group": "external.metrics.k8s.io",
            "version": "v1beta1",
            "service": {"name": NAME, "namespace": namespace},
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        }
    }
    binding = {
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": NAME},
        "subjects": [subject],
    }
    return [
        named("Secret", "v1", {"stringData": files}),
        named("Deployment", "apps/v1", {"spec": _deployment(labels)}),
        named("Service", "v1", service),
        named("ClusterRole", f"{rbac}/v1", {"rules": rules}),
        named("ClusterRoleBinding", f"{rbac}/v1", binding),
        named("APIService", "apiregistration.k8s.io/v1", registered, SERVICE),
    ]


def _deployment(labels: dict[str, str]) -> dict[str, Any]:
    container = {
        "name": "adapter",
        "image": IMAGE,
        "command": ["python3", "/adapter/adapter.py", "--prometheus", prometheus.URL,
                    "--certificate", "/adapter/tls.crt", "--key", "/adapter/tls.key"],
        "ports": [{"name": "https", "containerPort": 6443}],
        "readinessProbe": {"tcpSocket": {"port": "https"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": restricted.CONTAINER,
        "volumeMounts": [{"name": "files", "mountPath": "/adapter", "readOnly": True}],
    }  # fmt: skip
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": restricted.OWNER,
        "containers": [container],
        "volumes": [{"name": "files", "secret": {"secretName": NAME}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}


def _certificate(host: str) -> tuple[str, str]:
    """Return a certificate that vouches for itself, and its key; both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), secret.decode()
