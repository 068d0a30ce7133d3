"""What the host must have: root, and Debian's container tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Final

from e2e.cluster import once
from e2e.cluster.components import cni_folder
from e2e.cluster.errors import ClusterError
from e2e.cluster.progress import step

COMMANDS: Final = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
}
"""Command -> the Debian package that has it."""
CNI_PACKAGE: Final = "containernetworking-plugins"


def ensure_packages() -> None:
    """Raise ClusterError when not root; install what is missing where apt can do it."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ClusterError(
            "the built-in cluster needs root on Linux: run this with sudo, or set KUBECONFIG to use "
            "a cluster that you have"
        )
    install_missing(_missing())


def _missing() -> list[str]:
    missing = {package for command, package in COMMANDS.items() if not shutil.which(command)}
    if not (cni_folder() / "ptp").exists():
        missing.add(CNI_PACKAGE)
    return sorted(missing)


def install_missing(packages: list[str]) -> None:
    """Install Debian packages; raise ClusterError with the command where that is not possible."""
    if not packages:
        return
    # Somebody else's apt may be at work: ours would give up at once.
    wait = ["-o", "DPkg::Lock::Timeout=300"]
    command = ["apt-get", *wait, "install", "--yes", "--no-install-recommends", *packages]
    if not shutil.which("apt-get"):
        raise ClusterError(
            f"missing on this host: {', '.join(packages)} (Debian's package names): install them "
            f"with your package manager and run this again"
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with once.alone("apt", "apt-get"), step(f"installing {', '.join(packages)}"):
        for attempt in (["apt-get", "update"], command):
            done = subprocess.run(
                attempt, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode and attempt is command:
                reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
                raise ClusterError(f"'{' '.join(command)}' failed ({reason[0]}): run it by hand")
