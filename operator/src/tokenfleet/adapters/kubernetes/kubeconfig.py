"""Which cluster and namespace a person means."""

import os
from pathlib import Path
from typing import Final

from kubernetes.aio import config

UnconfiguredError = config.ConfigException
"""There is no kubeconfig, or it cannot be read."""

_OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def namespace_of(kubeconfig: str | None) -> str:
    """Return the namespace of the current context, of the pod, or `default`.

    Raises:
        UnconfiguredError: there is no kubeconfig, or it cannot be read.
    """
    if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ and _OWN_NAMESPACE.exists():
        return _OWN_NAMESPACE.read_text(encoding="utf-8").strip()
    _, current = config.list_kube_config_contexts(kubeconfig)
    return str(current["context"].get("namespace") or "default")
