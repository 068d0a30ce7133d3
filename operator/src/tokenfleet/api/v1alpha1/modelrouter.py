"""ModelRouter: where traffic enters, and the replicas of the router that carry it."""

from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from tokenfleet.api.conditions import Condition
from tokenfleet.api.conventions import (
    CEL,
    Count,
    HeaderName,
    Kind,
    ListMap,
    ListSet,
    Model,
    PrinterColumn,
    named,
)
from tokenfleet.api.quantities import Duration, Quantity, QuantityRange
from tokenfleet.api.v1alpha1.metadata import Metadata
from tokenfleet.api.v1alpha1.servingpool import Resources


class HeaderAttribute(Model):
    """One attribute of a request, read from a header."""

    header: HeaderName
    """Header that carries the value; lower case."""


class Attribution(Model):
    """How a request is attributed."""

    feature: HeaderAttribute = HeaderAttribute(header="x-tokenfleet-feature")
    """Product feature; values outside a route's `features` count as `other`."""
    request_type: HeaderAttribute = HeaderAttribute(header="x-tokenfleet-request-type")
    """Request type; values outside a route's `requestTypes` count as `other`."""
    user: HeaderAttribute = HeaderAttribute(header="x-tokenfleet-user")
    """User; keeps one user's conversations on one pool, and is never a metric label."""


class ManagedRouter(Model):
    """A router that the operator deploys."""

    replicas: Annotated[int, Field(ge=1, le=100)] = 2
    """Router pods."""
    drain_timeout: Annotated[timedelta, Duration("1s", "2h")] = timedelta(minutes=10)
    """How long running streams may go on after a router pod is told to stop."""
    resources: Resources = Resources()
    """Compute of the Envoy container."""


class ModelRouterSpec(Model):
    """What the user wants of a router."""

    type: Literal["Managed"] = "Managed"
    """Who runs the router: the operator."""
    managed: ManagedRouter = ManagedRouter()
    """The deployment, for `type: Managed`."""
    attribution: Attribution = Attribution()
    """How requests are attributed."""
    request_body_limit: Annotated[Quantity, QuantityRange("1Ki", "64Mi")] = "8Mi"
    """Largest request body; larger ones get a 413."""


class RouterReplica(Model):
    """One router pod and the configuration it runs."""

    pod: Annotated[str, Field(max_length=253)]
    """Name of the pod."""
    applied_revision: Count = 0
    """Revision of `<router>-config` that this pod's Envoy has accepted; 0 means none."""
    version: Annotated[str, Field(max_length=63)] = ""
    """Version of the router image."""


class ModelRouterStatus(Model):
    """What the operator saw last."""

    observed_generation: Count | None = None
    """The `metadata.generation` this status was computed from."""
    addresses: Annotated[
        list[Annotated[str, Field(max_length=253)]], Field(max_length=8), ListSet()
    ] = []
    """Where clients reach the router, as `host:port`."""
    config_revision: Count = 0
    """Newest revision of `<router>-config`."""
    replicas: Annotated[list[RouterReplica], Field(max_length=100), ListMap(("pod",))] = []
    """Router pods and the revision each has acknowledged."""
    acknowledged: Annotated[str, Field(max_length=16)] = ""
    """Replicas that run the newest revision, of all ready ones, as `2/2`."""
    conditions: Annotated[list[Condition], Field(max_length=16), ListMap(("type",))] = []
    """Accepted, Programmed, Ready."""


class ModelRouter(Model):
    """Where traffic enters."""

    validations: ClassVar[tuple[CEL, ...]] = (named(56, "it names the Service `<router>-router`"),)

    metadata: Metadata
    """Standard object metadata."""
    spec: ModelRouterSpec = ModelRouterSpec()
    """What the user wants."""
    status: ModelRouterStatus = ModelRouterStatus()
    """What the operator saw last."""


MODEL_ROUTER: Final = Kind(
    kind="ModelRouter",
    plural="modelrouters",
    singular="modelrouter",
    short_name="mrouter",
    columns=(
        PrinterColumn(name="Address", json_path=".status.addresses[0]"),
        PrinterColumn(name="Revision", json_path=".status.configRevision", type="integer"),
        PrinterColumn(name="Acknowledged", json_path=".status.acknowledged"),
        PrinterColumn(name="Status", json_path=".status.conditions[?(@.type=='Ready')].reason"),
        PrinterColumn(name="Age", json_path=".metadata.creationTimestamp", type="date"),
    ),
)
