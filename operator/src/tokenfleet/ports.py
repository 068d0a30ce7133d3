"""The seams between decisions and the outside world: small protocols, one per outside system.

Adapters implement them; reconcilers use them; fakes in `tests/support` implement them for unit and
scale tests and are held to the adapters by contract tests.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple, Protocol

from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.domain.spending.prices import Place
from tokenfleet.domain.spending.summary import Summary
from tokenfleet.domain.spending.user_history import Window

Body = Mapping[str, Any]
"""One Kubernetes object as JSON."""


class PortError(Exception):
    """The outside world failed; trying again later may help.

    Attributes:
        retry_after: earliest sensible next try; None leaves it to the caller's back-off.
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        """Say what failed, and when to try again."""
        super().__init__(message)
        self.retry_after = retry_after


class ConflictError(PortError):
    """The object changed since it was read (HTTP 409): read it again."""


class NotFoundError(PortError):
    """The object or its kind is gone (HTTP 404)."""


class RefusedError(PortError):
    """The API server refused the object (HTTP 400, 403, 422): the same body is refused again."""


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Return the current time, in UTC."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """How one kind is addressed over HTTP."""

    group: str
    """API group; empty for core."""
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    """False: its objects belong to the cluster as a whole, and their namespace is empty."""


class Cluster(Protocol):
    """The Kubernetes API, as far as the operator needs it."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """Return the object, or None where there is none."""
        ...

    async def serves(self, resource: Resource) -> bool:
        """Tell whether the API server knows a kind; by discovery, which every account may use."""
        ...

    async def list(self, resource: Resource, *, label_selector: str = "") -> Sequence[Body]:
        """Return all objects of a kind in the watched namespaces.

        Raises:
            NotFoundError: the kind is not served.
        """
        ...

    def pages(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        label_selector: str = "",
        metadata_only: bool = False,
    ) -> AsyncIterator[Sequence[Body]]:
        """Yield the objects of a kind, a page at a time, so that they need not all fit in memory.

        Args:
            resource: the kind.
            namespace: one namespace; empty: the whole cluster.
            label_selector: narrows the list.
            metadata_only: leave out everything but `metadata`.

        Raises:
            RefusedError: this namespace may not be listed.
            NotFoundError: the kind, or the namespace, is gone.
        """
        ...

    async def apply(self, body: Body, *, manager: str) -> Body:
        """Server-side apply with force; return the stored object."""
        ...

    async def apply_status(self, body: Body, *, manager: str) -> Body:
        """Server-side apply of the status subresource; return the stored object."""
        ...

    async def replace(self, body: Body) -> Body:
        """PUT with the body's resourceVersion; create where it has none.

        Raises:
            ConflictError: somebody else wrote in between.
        """
        ...

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
        """Delete exactly this object; one that is gone already is fine."""
        ...


class Sample(NamedTuple):
    """One row of an instant vector; a tick makes tens of thousands of them."""

    labels: Mapping[str, str]
    value: float
    """May be NaN or infinite: Prometheus says so, the reader decides."""
    timestamp: datetime


class MetricSource(Protocol):
    """A Prometheus-compatible store."""

    async def query(self, promql: str, *, at: datetime) -> Sequence[Sample]:
        """Evaluate at one instant.

        Raises:
            PortError: refused, slow, 5xx, partial (with warnings), or not understood.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One row of a range vector."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]
    """(seconds since 1970, value), ascending; instants without a value are left out."""


class MetricHistory(Protocol):
    """A Prometheus-compatible store, asked about the past."""

    async def query_range(
        self, promql: str, *, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Series]:
        """Evaluate at `start` and every `step` after it, up to `end`.

        Raises:
            PortError: refused, slow, 5xx, partial (with warnings), or not understood.
        """
        ...


class Reader(Enum):
    """What the API server says of somebody who wants to read the fleet."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    """Known, and without the right."""
    UNKNOWN = "unknown"
    """Not known."""


class Readers(Protocol):
    """Who may read the fleet."""

    async def reader(self, token: str) -> Reader:
        """Judge a bearer token.

        Raises:
            PortError: nobody can say.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What one router replica runs."""

    pod: str
    applied_revision: int
    """Newest revision that Envoy itself has accepted; 0 means none."""
    version: str
    error: str = ""
    """Why a newer revision was not applied; empty when nothing is wrong."""
    credentials: Mapping[str, str] = field(default_factory=dict)
    """Pool, as the router calls it -> why there is no key for it."""


UserReport = Mapping[tuple[Place, Window], Summary]
"""What one router says of its users: without costs, of the hour that runs and the one before."""


class RouterFleet(Protocol):
    """The agents of router replicas."""

    async def acknowledgement(self, address: str) -> Acknowledgement:
        """Ask one agent, at `ip:port`, what it runs.

        Raises:
            PortError: no answer.
        """
        ...

    async def configuration(self, address: str, router: ObjectKey) -> Mapping[str, str] | None:
        """Read back the data of `<router>-config` that an agent holds; None where it has none.

        Args:
            address: of the agent.
            router: whose agent it is; the proof is of no use with another's.

        Raises:
            PortError: no answer.
        """
        ...

    async def users(self, address: str, router: ObjectKey) -> UserReport:
        """Read who used most at one router; arguments as above.

        Raises:
            PortError: no answer.
        """
        ...
