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

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tokenfleet"
"""Built binaries and installed software, shared by all checkouts; `down` keeps it."""
SOFTWARE: Final = CACHE / "software"

INSTANCE: Final = int(os.environ.get("TOKENFLEET_CLUSTER_INSTANCE", "0"))
"""0 is the developer's cluster; tests that kill theirs run another beside it (1 to 9)."""

CLUSTER: Final = CACHE / f"instance-{INSTANCE}" if INSTANCE else REPOSITORY / ".cluster"
"""All the cluster's own files; `down` removes it."""
STATE: Final = CLUSTER / "state"
KUBECONFIG: Final = CLUSTER / "kubeconfig"
LOGS: Final = STATE / "logs"
PKI: Final = STATE / "pki"
ETC: Final = STATE / "etc"
VOLUMES: Final = STATE / "volumes"
LOCK: Final = CACHE / f"instance-{INSTANCE}.lock"
"""Outside the folder that `down` removes while it holds the lock."""

RUN: Final = Path("/run/tokenfleet")
"""Sockets and leases, on a file system that only the node's namespaces see."""
CONTAINERD_SOCKET: Final = RUN / "containerd.sock"

NODE_NAME: Final = "local"
LINK: Final = f"tokenfleet{INSTANCE}"
"""The host's end of the cable to the node."""
_LINK_NET, _POD_NET, _SERVICE_NET = (f"198.18.{4 * INSTANCE + offset}" for offset in range(3))
HOST_ADDRESS: Final = f"{_LINK_NET}.1"
NODE_ADDRESS: Final = f"{_LINK_NET}.2"
LINK_RANGE: Final = f"{_LINK_NET}.0/24"
POD_RANGE: Final = f"{_POD_NET}.0/24"
SERVICE_RANGE: Final = f"{_SERVICE_NET}.0/24"
API_SERVICE_ADDRESS: Final = f"{_SERVICE_NET}.1"
"""The first address of the Service range: the API server gives it to `kubernetes.default`."""
API_PORT: Final = 6443
API_URL: Final = f"https://{NODE_ADDRESS}:{API_PORT}"

CGROUP: Final = f"tokenfleet{INSTANCE}" if INSTANCE else "tokenfleet"
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
