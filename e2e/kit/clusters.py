"""Which cluster to use: the one of KUBECONFIG, else the built-in one."""

import os
import shutil
from functools import cache
from pathlib import Path

from e2e.kit.kubectl import Cluster


@cache
def connect() -> Cluster:
    """Return the cluster to work with, brought up where it is the built-in one."""
    if foreign():
        named = Path(os.environ["KUBECONFIG"])
        return Cluster(kubeconfig=named.resolve(), kubectl=program("kubectl"), helm=program("helm"))
    from e2e.cluster.build import binaries  # noqa: PLC0415
    from e2e.cluster.lifecycle import ensure_cluster  # noqa: PLC0415  Linux only; not needed elsewhere

    found = ensure_cluster()
    return Cluster(
        kubeconfig=found.kubeconfig,
        kubectl=str(binaries() / "kubectl"),
        helm=str(binaries() / "helm"),
        builtin=True,
    )


def foreign() -> bool:
    """Say whether KUBECONFIG names a cluster that is not the built-in one."""
    named = os.environ.get("KUBECONFIG", "")
    return bool(named) and not _is_builtin(Path(named))


def leave_running() -> bool:
    """Say whether a cluster is there before anybody asked for one: then it is not ours to end."""
    if foreign():
        return True
    from e2e.cluster import lifecycle  # noqa: PLC0415

    return lifecycle.healthy()


def take_down() -> None:
    """End the built-in cluster, without a trace."""
    from e2e.cluster import lifecycle  # noqa: PLC0415

    lifecycle.down()


def _is_builtin(kubeconfig: Path) -> bool:
    from e2e.cluster.paths import KUBECONFIG  # noqa: PLC0415

    return kubeconfig.resolve() == KUBECONFIG.resolve()


def program(name: str) -> str:
    """Return the path of a program that the user's own cluster needs.

    Raises:
        AssertionError: it is not installed.
    """
    found = shutil.which(name)
    message = f"{name} is needed to work with the cluster of KUBECONFIG: install it"
    assert found, message
    return found
