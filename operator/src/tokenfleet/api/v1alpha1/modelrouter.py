"""ModelRouter: where traffic enters, and the replicas of the router that carry it."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from tokenfleet.api.conventions import (
    CEL,
    Count,
    Earlier,
    HeaderName,
    Kind,
    ListAtomic,
    ListMap,
    ListSet,
    Member,
    Model,
    Scale,
    SubdomainName,
    Union,
    named,
)
from tokenfleet.api.quantities import Duration, Fraction, Quantity, QuantityRange
from tokenfleet.api.v1alpha1 import columns
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.api.v1alpha1.metadata import Metadata
from tokenfleet.api.v1alpha1.placement import (
    Affinity,
    Labels,
    LabelSelector,
    NetworkPeer,
    PodAnnotations,
    PodLabels,
    SecretReference,
    Toleration,
    TopologySpreadConstraint,
)
from tokenfleet.api.v1alpha1.servingpool import Resources


class HeaderAttribute(Model):
    """One attribute of a request, read from a header."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="!(self.header in ['host', 'connection', 'content-encoding', 'content-length',"
            " 'content-type', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade'])",
            message="header must not be one that HTTP itself needs, such as host",
            field_path=".header",
        ),
    )

    header: HeaderName
    """Header that carries the value; lower case."""


class UserAttribute(HeaderAttribute):
    """The user, and what is reported about users."""

    report: Annotated[Literal["Names", "Hashes", "None"], Earlier({"Off": "None"})] = "Names"
    """What ConfigMap `<router>-users` and the status of TokenSLOs show about the users who spend
    most. Names: their names, as in requests. Hashes: the first 16 hex digits of the SHA-256 of
    `<namespace>/<router>/<name>`, so that readers see no names, but whoever knows a name can find
    it. None: nothing, and the routers are not asked for it."""


class Attribution(Model):
    """Headers from which feature, request type and user of a request are read."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.feature.header != self.requestType.header"
            " && self.feature.header != self.user.header"
            " && self.requestType.header != self.user.header",
            message="feature, requestType and user must be read from three different headers",
        ),
    )

    feature: HeaderAttribute = HeaderAttribute(header="x-tokenfleet-feature")
    """Product feature; values outside a route's `features` count as `other`."""
    request_type: HeaderAttribute = HeaderAttribute(header="x-tokenfleet-request-type")
    """Request type; values outside a route's `requestTypes` count as `other`."""
    user: UserAttribute = UserAttribute(header="x-tokenfleet-user")
    """User; keeps one user's conversations on one pool, and is never a metric label."""


class RouterPodOptions(Model):
    """The part of the router's pods that a user may shape."""

    labels: PodLabels = {}
    """Further labels on the pods."""
    annotations: PodAnnotations = {}
    """Further annotations on the pods."""
    node_selector: Labels = {}
    """Labels a node must have."""
    tolerations: Annotated[list[Toleration], Field(max_length=16), ListAtomic()] = []
    """Taints the pods tolerate."""
    affinity: Affinity | None = None
    """Which nodes, and near or away from which pods."""
    topology_spread_constraints: Annotated[
        list[TopologySpreadConstraint], Field(max_length=8), ListAtomic()
    ] = []
    """How the pods are spread; empty spreads them over nodes where that is possible."""
    priority_class_name: SubdomainName | None = None
    """PriorityClass."""
    image_pull_secrets: Annotated[
        list[SecretReference], Field(max_length=8), ListMap(("name",))
    ] = []
    """Secrets for pulling the router image."""


class RouterService(Union):
    """The Service that clients reach the router by."""

    members: ClassVar[Mapping[str, Member]] = {
        "loadBalancerClass": Member(chosen_by=("LoadBalancer",), optional=True)
    }

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Type of the Service, as in core/v1."""
    annotations: Annotated[
        dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)
    ] = {}
    """Annotations on the Service, for load-balancer controllers."""
    port: Annotated[int, Field(ge=1, le=65535)] = 80
    """Port of the Service."""
    load_balancer_class: Annotated[str, Field(min_length=1, max_length=317)] | None = None
    """Load-balancer implementation, for `type: LoadBalancer`. Kubernetes keeps the first one: to
    change it, set `type` to ClusterIP in between."""


class NetworkAccess(Model):
    """NetworkPolicies that allow the connections of operator/docs/network.md, and no others."""

    clients: Annotated[list[NetworkPeer], Field(max_length=16), ListAtomic()] = []
    """Pods, namespaces or addresses that may send requests; empty means all."""
    prometheus: Annotated[list[NetworkPeer], Field(max_length=16), ListAtomic()] = []
    """Pods, namespaces or addresses that may scrape the router and the pools; empty means all."""
    upstreams: Annotated[list[NetworkPeer], Field(max_length=16), ListAtomic()] = []
    """Where the router may send requests in addition to the namespace's managed pools: the pods of
    Existing pools."""
    provider_ports: Annotated[
        list[Annotated[int, Field(ge=1, le=65535)]], Field(max_length=16), ListSet()
    ] = []
    """Ports of the providers of External pools, mostly 443. The router may connect to them at every
    address, and use DNS. Empty allows none."""


class RouteNamespaces(Union):
    """Namespaces whose routes may name the router."""

    discriminator: ClassVar[str] = "from"
    members: ClassVar[Mapping[str, Member]] = {"selector": Member(chosen_by=("Selector",))}

    from_: Annotated[Literal["Same", "All", "Selector"], Field(alias="from")] = "Same"
    """Same: the router's own. All: every one that the operator watches. Selector: besides its own,
    those whose labels match."""
    selector: LabelSelector | None = None
    """Labels of namespaces, for `from: Selector`."""


class AllowedRoutes(Model):
    """Which ModelRoutes may name the router in their `parentRefs`."""

    namespaces: RouteNamespaces = RouteNamespaces()
    """Where they may be. Those of the router's own namespace always may."""


class ManagedRouter(Model):
    """A router that the operator deploys."""

    replicas: Annotated[int, Field(ge=1, le=100)] = 2
    """Router pods. Leave it out of git when an autoscaler owns it."""
    pod: RouterPodOptions = RouterPodOptions()
    """Placement, labels and annotations of the pods."""
    service: RouterService = RouterService()
    """The Service that clients reach the router by."""
    network_policy: NetworkAccess | None = None
    """Makes NetworkPolicies; absent makes none."""
    drain_timeout: Annotated[timedelta, Duration("1s", "2h")] = timedelta(minutes=10)
    """How long running streams may go on after a router pod is told to stop."""
    resources: Resources = Resources()
    """Compute of the container `envoy`. It refuses new requests near four fifths of the memory
    limit; without a limit, near 1 GiB."""


class SidecarRouter(Model):
    """A router in the pods of applications, which reach it on the loopback."""

    service_accounts: Annotated[list[SubdomainName], Field(min_length=1, max_length=32), ListSet()]
    """Service accounts of the applications. The operator lets each read this router's configuration
    and the namespace's EndpointSlices, and nothing else."""
    port: Annotated[int, Field(ge=1024, le=65535)] = 8787
    """Port on 127.0.0.1 where applications find the router."""
    start_limit: Annotated[timedelta, Duration("1s", "5m")] = timedelta(seconds=30)
    """Longest time that the application's start waits for a router that is not ready."""
    cpu: Quantity = "100m"
    """CPU that is reserved for the router in each pod."""
    memory: Annotated[Quantity, QuantityRange("192Mi", "16Gi")] = "256Mi"
    """Memory of the router in each pod: reserved, and its limit. Envoy at rest takes 90 MiB."""


class Cors(Model):
    """Which web pages may call the router from browsers (the Fetch standard's CORS protocol)."""

    allow_origins: Annotated[
        list[
            Annotated[
                str,
                Field(max_length=253, pattern=r"^(\*|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?)$"),
            ]
        ],
        Field(min_length=1, max_length=64),
        ListSet(),
    ]
    """Origins, for example `https://app.example.com`; `*` allows every page."""


class Tracing(Model):
    """Where spans go: one per request and one per attempt, with `gen_ai.*` attributes."""

    endpoint: Annotated[
        str,
        Field(
            max_length=253, pattern=r"^http://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[-A-Za-z0-9._~/]*)?$"
        ),
    ]
    """Collector that takes OTLP over HTTP, for example `http://otel-collector:4318`; `/v1/traces`
    is added where there is no path."""
    sampling: Annotated[Decimal, Fraction("0.0001", "1")] = Decimal("0.01")
    """Part of the requests that are traced, 0 to 1. Where the caller has decided (`traceparent`),
    its decision counts."""


class ModelRouterSpec(Union):
    """What the user wants of a router."""

    members: ClassVar[Mapping[str, Member]] = {
        "managed": Member(chosen_by=("Managed",), optional=True),
        "sidecar": Member(chosen_by=("Sidecar",)),
    }
    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.type == oldSelf.type",
            message="type must not change: create a new router and move the routes to it",
            field_path=".type",
        ),
    )

    type: Literal["Managed", "Sidecar"] = "Managed"
    """Where the router runs: in pods of its own, or beside applications."""
    managed: ManagedRouter = ManagedRouter()
    """The deployment, for `type: Managed`."""
    sidecar: SidecarRouter | None = None
    """What applications carry, for `type: Sidecar`."""
    allowed_routes: AllowedRoutes = AllowedRoutes()
    """Routes of other namespaces that the router carries; their pools stay in theirs."""
    attribution: Attribution = Attribution()
    """Headers from which feature, request type and user of a request are read."""
    request_body_limit: Annotated[Quantity, QuantityRange("1Ki", "64Mi")] = "8Mi"
    """Largest request body; larger ones get a 413."""
    cors: Cors | None = None
    """Which web pages may call from browsers; absent means none."""
    # A default would be stored in every router, and the release before could read none of them.
    explain: (
        Annotated[Literal["Enabled", "Disabled"], Earlier({"On": "Enabled", "Off": "Disabled"})]
        | None
    ) = None
    """Enabled: answers carry `x-tokenfleet-served-by`, with route, rule, pool and attempts. Absent
    means Enabled."""
    access_log: Annotated[Literal["None", "Errors", "All"], Earlier({"Off": "None"})] | None = None
    """Requests that get a line of JSON on the router's standard output. Errors: those whose status
    is 400 or more, or whose outcome is not ok. Absent means None."""
    tracing: Tracing | None = None
    """OpenTelemetry spans; absent means none. W3C trace context is passed on in both cases."""


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
    replica_count: Count = 0
    """Router pods that exist, for autoscalers."""
    selector: Annotated[str, Field(max_length=512)] = ""
    """Label selector of the pods, for autoscalers."""
    acknowledged: Annotated[str, Field(max_length=16)] = ""
    """Replicas that run the newest revision, of all ready ones, as `2/2`."""
    operator: Annotated[str, Field(max_length=317)] = ""
    """The operator that manages the object, by its Lease: `NAMESPACE/NAME`."""
    contender: Annotated[str, Field(max_length=317)] = ""
    """Another operator that watches the object too, and does not manage it. That operator writes
    this field."""
    conditions: Annotated[list[Condition], Field(max_length=16), ListMap(("type",))] = []
    """Accepted, Programmed, Progressing, ManagedByAnother, Ready."""


class ModelRouter(Model):
    """Where requests enter: Envoy with the project's module, in its own or applications' pods."""

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
    scale=Scale(spec=".spec.managed.replicas", status=".status.replicaCount"),
    columns=columns.MODEL_ROUTER,
)
