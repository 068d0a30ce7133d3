"""Namespaces of stories: fresh, restricted, and gone afterwards."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.waiting import NotYet, wait_for

LABEL = "tokenfleet-e2e"
"""Every namespace that a story or the demo made carries this label."""


def manifest(name: str) -> dict[str, Any]:
    """Return a namespace in which only pods without privileges may run."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted", LABEL: "true"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def make(namespace: Namespace) -> None:
    """Make a namespace, or see that it is there; one on its way out is waited for."""

    def free() -> bool | NotYet:
        found = namespace.get("namespace", namespace.name) or {"metadata": {}}
        ending = "deletionTimestamp" in found["metadata"]
        return NotYet("an earlier one is being deleted") if ending else True

    wait_for(f"the namespace {namespace.name}", free, timeout=180)
    namespace.apply(manifest(namespace.name))


def wait_account(namespace: Namespace) -> None:
    """Wait until pods can be made: a new namespace gets their account a moment later.

    Controllers try again; who makes a pod by hand has to wait.
    """
    account = ("serviceaccount/default", "--for=create", "--timeout=120s")
    namespace.run("wait", *account, timeout=130)


@contextmanager
def fresh(cluster: Cluster, purpose: str, *, keep: bool = False) -> Iterator[Namespace]:
    """Make a namespace and delete it in the end, without waiting for it to be gone.

    Args:
        purpose: first part of its name.
        keep: leave it, to look at what is there.
    """
    namespace = cluster.namespace(f"{purpose}-{secrets.token_hex(2)}")
    make(namespace)
    try:
        yield namespace
    finally:
        if not keep:
            namespace.delete("namespace", namespace.name, "--wait=false")
