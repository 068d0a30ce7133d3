"""Where things lie, and the addresses of the node.

Every address is in 198.18.0.0/15, the range set aside for benchmarks (RFC 2544): no office, home
or cloud network uses it, so the node's routes hide nothing that somebody needs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
HERE: Final = Path(__file__).resolve().parent

CLUSTER: Final = REPOSITORY / ".cluster"
"""All the cluster's own files; `down` removes it."""
STATE: Final = CLUSTER / "state"
KUBECONFIG: Final = CLUSTER / "kubeconfig"
LOGS: Final = STATE / "logs"
PKI: Final = STATE / "pki"
ETC: Final = STATE / "etc"
VOLUMES: Final = STATE / "volumes"

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tokenfleet"
"""Built binaries and installed software, shared by all checkouts; `down` keeps it."""
SOFTWARE: Final = CACHE / "software"

RUN: Final = Path("/run/tokenfleet")
"""Sockets and leases, on a file system that only the node's namespaces see."""
CONTAINERD_SOCKET: Final = RUN / "containerd.sock"

NODE_NAME: Final = "local"
LINK: Final = "tokenfleet0"
"""The host's end of the cable to the node."""
HOST_ADDRESS: Final = "198.18.0.1"
NODE_ADDRESS: Final = "198.18.0.2"
LINK_RANGE: Final = "198.18.0.0/24"
POD_RANGE: Final = "198.18.1.0/24"
SERVICE_RANGE: Final = "198.18.2.0/24"
API_SERVICE_ADDRESS: Final = "198.18.2.1"
"""The first address of the Service range: the API server gives it to `kubernetes.default`."""
API_PORT: Final = 6443
API_URL: Final = f"https://{NODE_ADDRESS}:{API_PORT}"

CGROUP: Final = "tokenfleet"
"""Every pod's control group lies below this one, so that `down` knows what is ours."""
SUPERVISOR_MARK: Final = "TOKENFLEET_CLUSTER"
"""Environment variable by which the node's processes are known, whatever files are left."""


def write_atomically(path: Path, data: bytes | str, mode: int = 0o644) -> None:
    """Write `path` so that a reader, or a run cut off here, sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data if isinstance(data, bytes) else data.encode())
    temporary.chmod(mode)
    temporary.replace(path)
