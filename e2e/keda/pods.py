"""KEDA's own manifests on a cluster, with the images of its release."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import yaml

from e2e.keda import build
from e2e.kit.kubectl import Cluster, CommandError, Namespace
from e2e.kit.waiting import wait_condition
from e2e.kit.yamls import dump

NAMESPACE: Final = "keda"
MANIFESTS: Final = "config/default"
SERVICE: Final = "v1beta1.external.metrics.k8s.io"
"""What the autoscalers that KEDA makes ask for their metrics."""
IMAGES: Final = {
    "ghcr.io/kedacore/keda": "keda",
    "ghcr.io/kedacore/keda-metrics-apiserver": "keda-adapter",
    "ghcr.io/kedacore/keda-admission-webhooks": "keda-admission-webhooks",
}
"""The program at the root of each image."""
KINDS: Final = "scaledobjects.keda.sh"


@contextlib.contextmanager
def serving(cluster: Cluster) -> Iterator[Namespace]:
    """Run KEDA until the block ends, then take it away with every ScaledObject; yield its namespace."""
    folder = build.programs()
    _publish(cluster)
    everywhere = cluster.namespace("")
    manifests = _manifests(everywhere.run("kustomize", str(folder / MANIFESTS)))
    try:
        # Its definitions are too large for the annotation of a client's apply.
        everywhere.run("apply", "--server-side", "-f", "-", stdin=dump(manifests), timeout=120)
        space = cluster.namespace(NAMESPACE)
        for found in manifests:
            if found["kind"] == "Deployment":
                name = f"deployment/{found['metadata']['name']}"
                space.run("rollout", "status", name, "--timeout=300s", timeout=310)
        wait_condition(everywhere, "apiservice", SERVICE, "Available", timeout=180)
        yield space
    finally:
        with contextlib.suppress(CommandError):  # the kind is not defined yet
            # While the operator is there, which answers their finalizers.
            everywhere.run("delete", KINDS, "--all", "--all-namespaces", timeout=180)
        everywhere.run(
            "delete", "--ignore-not-found", "-f", "-", stdin=dump(manifests), timeout=300
        )


def _publish(cluster: Cluster) -> None:
    if not cluster.builtin:
        return
    from e2e.cluster import images  # noqa: PLC0415  Linux only; not needed elsewhere

    for name, program in IMAGES.items():
        images.publish([
            images.stand_in(
                [f"{name}:{build.VERSION}"],
                [(build.programs() / program, f"/{program}")],
                entrypoint=(f"/{program}",),
                user=f"{images.NONROOT}:{images.NONROOT}",
            )
        ])  # fmt: skip


def _manifests(text: str) -> list[dict[str, Any]]:
    """Return KEDA's manifests with the images of its release, which need no registry if they are there."""
    manifests = [found for found in yaml.safe_load_all(text) if found]
    for found in manifests:
        if found["kind"] == "Deployment":
            for container in found["spec"]["template"]["spec"]["containers"]:
                name = container["image"].rpartition(":")[0]
                container |= {"image": f"{name}:{build.VERSION}", "imagePullPolicy": "IfNotPresent"}
    return manifests
