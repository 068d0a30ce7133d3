"""What an agent is told when it starts."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from tokenfleet.adapters.envoy.bootstrap import Limits
from tokenfleet.adapters.envoy.wire import Ports

AGENT_PORT: Final = 9091
TOKEN_FOLDER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServer:
    """How to reach the Kubernetes API."""

    url: str
    ca_file: Path | None
    """Certificate authority; None trusts the system's."""
    token_file: Path | None
    """Read again for every request, because the kubelet renews it; None sends no token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an agent needs to know about its place."""

    router: str
    namespace: str
    pod: str
    folder: Path
    """Holds Envoy's files and the last good configuration; survives container restarts."""
    envoy: str
    """The Envoy binary, for validation."""
    ports: Ports
    limits: Limits
    start_limit: timedelta = timedelta(seconds=30)
    """How long those who start after this router wait for it."""
    listen_host: str | None
    listen_port: int
    api: ApiServer
    operator: str = ""
    """Service account that may read the configuration, as `system:serviceaccount:NAMESPACE:NAME`;
    empty: nobody may."""
