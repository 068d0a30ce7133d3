"""Argo CD's processes on this machine, and what they need in the cluster."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from e2e.argo import build
from e2e.kit.kubectl import Cluster, CommandError, Namespace
from e2e.kit.ports import free_port
from e2e.kit.processes import listening, process
from e2e.kit.waiting import wait_served

NAMESPACE: Final = "argocd"
LOOPBACK: Final = "127.0.0.1"
CRDS: Final = ("applications.argoproj.io", "appprojects.argoproj.io")
PROJECT: Final[dict[str, Any]] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"name": "default", "namespace": NAMESPACE},
    "spec": {
        "sourceRepos": ["*"],
        "destinations": [{"namespace": "*", "server": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    },
}
"""As Argo CD's own server makes it, which is not run here."""


@contextlib.contextmanager
def argo_cd(cluster: Cluster, folder: Path, *, tracking: str = "annotation") -> Iterator[Namespace]:
    """Run Argo CD for a cluster; yield its namespace.

    Args:
        folder: an empty one, for logs and what the processes keep.
        tracking: how it marks what it has made, `annotation` or `label`: its word for it, which
            it reads when it starts.
    """
    programs = build.programs()
    namespace = cluster.namespace(NAMESPACE)
    with (
        _in_cluster(namespace, programs / "manifests", tracking),
        contextlib.ExitStack() as running,
    ):
        here = _Processes(cluster=cluster, programs=programs, folder=folder, running=running)
        here.start_all()
        yield namespace


@contextlib.contextmanager
def _in_cluster(namespace: Namespace, manifests: Path, tracking: str) -> Iterator[None]:
    """Define Argo CD's kinds, and take them away with all Applications."""
    try:
        for crd in sorted(manifests.glob("*-crd.yaml")):  # too large for an annotation
            namespace.run("apply", "--server-side", "--filename", str(crd))
        wait_served(namespace, *CRDS)
        namespace.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for name in ("argocd-cm", "argocd-secret"):
            namespace.run("apply", "--filename", str(manifests / f"{name}.yaml"))
        method = {"application.resourceTrackingMethod": tracking}
        namespace.patch("configmap", "argocd-cm", {"data": method})
        # Argo CD's server makes it and signs sessions with it; without it settings are not read.
        key = {"stringData": {"server.secretkey": secrets.token_urlsafe(32)}}
        namespace.patch("secret", "argocd-secret", key)
        namespace.apply(PROJECT)
        yield
    finally:
        # Without a controller nobody answers their finalizers.
        for application in _applications(namespace):
            namespace.patch("application", application, {"metadata": {"finalizers": None}})
        namespace.run("delete", "crd", *CRDS, "--ignore-not-found", timeout=300)
        namespace.delete("namespace", NAMESPACE)


def _applications(namespace: Namespace) -> list[str]:
    try:
        return [found["metadata"]["name"] for found in namespace.list("applications.argoproj.io")]
    except CommandError:  # the kind was not defined yet
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class _Processes:
    cluster: Cluster
    programs: Path
    folder: Path
    running: contextlib.ExitStack

    def start_all(self) -> None:
        redis, repository = f"{LOOPBACK}:{free_port()}", free_port()
        self._start("argocd-redis", redis)
        listening(redis)
        self._start(
            "argocd-repo-server", "--address", LOOPBACK, "--port", str(repository),
            "--metrics-address", LOOPBACK, "--metrics-port", str(free_port()), "--redis", redis,
            "--disable-tls", "--client-ca-path", "",
        )  # fmt: skip
        listening(f"{LOOPBACK}:{repository}")
        self._start(
            "argocd-application-controller", "--namespace", NAMESPACE,
            "--kubeconfig", str(self.cluster.kubeconfig), "--redis", redis,
            "--repo-server", f"{LOOPBACK}:{repository}", "--repo-server-plaintext",
            "--metrics-port", str(free_port()),
            # A health that changes while it compares is seen in its next round only: by default
            # two to three minutes later.
            "--app-resync", "10", "--app-resync-jitter", "0",
        )  # fmt: skip

    def _start(self, name: str, *arguments: str) -> None:
        log = self.running.enter_context((self.folder / f"{name}.log").open("w"))
        self.running.enter_context(
            process(
                [str(self.programs / name), *arguments], log=log, environment=self._environment()
            )
        )

    def _environment(self) -> dict[str, str]:
        places = {
            "ARGOCD_TLS_DATA_PATH": "tls",
            "ARGOCD_SSH_DATA_PATH": "ssh",
            "ARGOCD_GNUPGHOME": "gnupg",
            "ARGOCD_PLUGINSOCKFILEPATH": "plugins",
            "HOME": "home",
            "TMPDIR": "tmp",
        }
        for place in places.values():
            (self.folder / place).mkdir(exist_ok=True)
        helm = Path(shutil.which(self.cluster.helm) or self.cluster.helm).parent
        return {
            **{name: str(self.folder / place) for name, place in places.items()},
            "ARGOCD_GPG_ENABLED": "false",
            # The cluster that an Application calls its own is the one of the kubeconfig.
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "KUBECONFIG": str(self.cluster.kubeconfig),
            # Its own name tells a controller which part of several it is.
            "HOSTNAME": "argocd-application-controller-0",
            "PATH": f"{self.programs}:{helm}:{os.environ['PATH']}",
        }
