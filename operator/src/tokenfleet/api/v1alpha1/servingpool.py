"""ServingPool: one fleet of identical model servers.

`Managed` pools are deployed by the operator; `Existing` pools adopt a Service that somebody else
deploys; `External` pools are models of a provider. A pool says nothing about traffic: that is
ModelRoute's.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, WithJsonSchema

from tokenfleet.api.conventions import (
    CEL,
    Kind,
    ListMap,
    ListSet,
    Member,
    Model,
    ObjectName,
    PublicModelName,
    Scale,
    SubdomainName,
    Union,
    named,
)
from tokenfleet.api.quantities import Duration, PositiveDecimal, Quantity, QuantityRange
from tokenfleet.api.v1alpha1 import columns
from tokenfleet.api.v1alpha1.adapters import Adapter, LoRAOptions
from tokenfleet.api.v1alpha1.engine import Engine
from tokenfleet.api.v1alpha1.engine_rules import ENGINE_RULES
from tokenfleet.api.v1alpha1.external import ExistingCredential, External, ServerTLS
from tokenfleet.api.v1alpha1.metadata import Metadata
from tokenfleet.api.v1alpha1.model_source import TargetModel
from tokenfleet.api.v1alpha1.placement import PodOptions
from tokenfleet.api.v1alpha1.pool_status import ServingPoolStatus
from tokenfleet.api.v1alpha1.price import PoolPrice
from tokenfleet.api.v1alpha1.speculative import Speculative

ACCELERATORS: Final = (
    "^(nvidia[.]com/(gpu|gpu[.]shared|mig-.+)|amd[.]com/gpu|gpu[.]intel[.]com/(i915|xe)"
    "|habana[.]ai/gaudi|google[.]com/tpu|aws[.]amazon[.]com/neuron(core|device)?)$"
)
"""Names of the extended resources that are known to be devices for models."""


class Resources(Model):
    """Compute per replica, as in core/v1 ResourceRequirements."""

    limits: Annotated[dict[str, Quantity], Field(max_length=16)] = {}
    """Upper bounds, for example `nvidia.com/gpu: 4`."""
    requests: Annotated[dict[str, Quantity], Field(max_length=16)] = {}
    """What the scheduler reserves; absent means the limits."""


ContextWindow = Annotated[
    Annotated[int, Field(ge=128, le=16_777_216)] | Literal["auto"],
    WithJsonSchema({"x-kubernetes-int-or-string": True}),
    CEL(
        rule="type(self) == int ? self >= 128 && self <= 16777216 : self == 'auto'",
        message="must be between 128 and 16777216, or auto",
    ),
]


class ResourceClaim(Model):
    """Devices of one of the pod's claims (dynamic resource allocation)."""

    name: ObjectName
    """Name of an entry of `pod.resourceClaims`."""
    request: ObjectName | None = None
    """One request of that claim; absent means all of them."""


class PoolResources(Resources):
    """Compute per replica."""

    claims: Annotated[list[ResourceClaim], Field(max_length=8), ListMap(("name",))] = []
    """Devices that are claimed instead of counted, as in core/v1 ResourceRequirements."""


class Parallelism(Model):
    """How one replica is split over devices: it needs tensor x pipeline x data of them."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.tensor * self.pipeline * self.data % self.nodes == 0",
            message="nodes must divide tensor x pipeline x data: each node has as many devices",
            field_path=".nodes",
        ),
        CEL(
            rule="(self.nodes > 1) == (oldSelf.nodes > 1)",
            message="nodes must not change between 1 and more: create a new pool and move the"
            " routes to it",
            field_path=".nodes",
        ),
    )

    tensor: Annotated[int, Field(ge=1, le=64)] = 1
    """Tensor-parallel size: GPUs (or CPU sockets) that share each layer."""
    pipeline: Annotated[int, Field(ge=1, le=64)] = 1
    """Pipeline-parallel size: groups of layers, each on devices of its own."""
    data: Annotated[int, Field(ge=1, le=64)] = 1
    """Data-parallel size: copies of the model inside one replica."""
    nodes: Annotated[int, Field(ge=1, le=64)] = 1
    """Nodes that one replica is spread over, each with an equal part of its devices; `resources`
    are those of one node. More than 1 needs LeaderWorkerSet (leaderworkerset.x-k8s.io/v1)."""
    expert: bool = False
    """True: each expert of a mixture-of-experts model is on one device, and the experts are spread
    over all devices. False: each expert is split over the devices."""


class CPUOptions(Model):
    """Options of engines that compute on CPUs."""

    kv_cache: Quantity = "4Gi"
    """Memory for the KV cache; counts towards the memory limit."""
    thread_binding: Annotated[str, Field(min_length=1, max_length=128)] = "auto"
    """Cores the compute threads are bound to: `auto`, `nobind`, or a list such as `0-7`."""


class Rollout(Model):
    """How a changed pod template replaces running replicas."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.maxSurge > 0 || self.maxUnavailable > 0",
            message="maxSurge and maxUnavailable must not both be 0:"
            " nothing could ever be replaced",
        ),
    )

    max_surge: Annotated[int, Field(ge=0, le=100)] = 0
    """Replicas above the wanted count during a rollout. 0 by default, because each needs devices
    of its own."""
    max_unavailable: Annotated[int, Field(ge=0, le=100)] = 1
    """Replicas that may be missing during a rollout."""


class Managed(Union):
    """A pool that the operator deploys."""

    discriminator: ClassVar[str] = "device"
    members: ClassVar[Mapping[str, Member]] = {"cpu": Member(chosen_by=("CPU",), optional=True)}
    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.device == 'GPU' || !has(self.resources) || !has(self.resources.limits)"
            f" || !self.resources.limits.exists(key, key.matches('{ACCELERATORS}'))",
            message="accelerators must not be asked for when device is CPU",
            field_path=".resources",
        ),
        CEL(
            rule="!has(self.resources) || !has(self.resources.claims)"
            " || self.resources.claims.all(one, has(self.pod) && has(self.pod.resourceClaims)"
            " && self.pod.resourceClaims.exists(claim, claim.name == one.name))",
            message="resources.claims must name entries of pod.resourceClaims",
            field_path=".resources",
        ),
        *ENGINE_RULES,
    )

    engine: Engine
    """The server program."""
    model: TargetModel
    """The model that answers."""
    device: Literal["GPU", "CPU"] = "GPU"
    """What the engine computes on."""
    resources: PoolResources = PoolResources()
    """Compute per replica."""
    parallelism: Parallelism = Parallelism()
    """How one replica is split over devices."""
    cpu: CPUOptions | None = None
    """Options for `device: CPU`."""
    shared_memory: Annotated[Quantity, QuantityRange("64Mi", "1Ti")] = "4Gi"
    """Size of `/dev/shm`, over which the processes of one replica exchange activations. A limit:
    what is used counts towards the memory limit."""
    scratch: Annotated[Quantity, QuantityRange("1Gi", "64Ti")] | None = None
    """Most that a replica may write to `/tmp` before it is evicted: caches on the node's disk, for
    example. Absent means 64Gi, and 2Ti where weights are downloaded without `model.cache`."""
    speculative: Speculative | None = None
    """Speculative decoding; absent means off."""
    lora: LoRAOptions | None = None
    """What is kept ready for `served.adapters`; absent means the defaults."""
    rollout: Rollout = Rollout()
    """How changes are rolled out."""
    startup_timeout: Annotated[timedelta, Duration("10s", "12h")] = timedelta(minutes=30)
    """Longest time from container start to ready: loading, compiling, and downloading where there
    is no cache. A 140 GB model at 100 MB/s needs 24 minutes."""
    termination_grace_period: Annotated[timedelta, Duration("1s", "2h")] = timedelta(minutes=10)
    """How long running streams may go on after a replica is told to stop."""
    pod: PodOptions = PodOptions()
    """Placement, labels and rights of the pods."""


class ServiceReference(Model):
    """A Service in the same namespace, and one of its ports."""

    name: ObjectName
    """Name of the Service."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """Port of the Service that speaks the OpenAI API."""


class InferencePoolReference(Model):
    """An InferencePool of the Gateway API Inference Extension in the same namespace."""

    name: SubdomainName
    """Name of the InferencePool."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """One of its `targetPorts`; absent means the only one."""


class Existing(Model):
    """A pool that somebody else deploys."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="has(self.serviceRef) != has(self.inferencePoolRef)",
            message="exactly one of serviceRef and inferencePoolRef must be set",
        ),
    )

    service_ref: ServiceReference | None = None
    """The Service whose endpoints are the replicas."""
    inference_pool_ref: InferencePoolReference | None = None
    """The InferencePool whose pods are the replicas. Its selector and port are used, its endpoint
    picker is not."""
    tls: ServerTLS | None = None
    """TLS to the replicas; absent means plain HTTP."""
    credential_secret_ref: ExistingCredential | None = None
    """A key that the replicas ask for, in place of what clients send. The router's service account
    must be allowed to read this Secret; the operator never does."""


class Served(Model):
    """The model that the pool serves, and its names."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="!has(self.adapters) || self.adapters.all(one, one.name != self.modelName"
            " && (!has(self.aliases) || !(one.name in self.aliases)))",
            message="adapters must not have the name of the model or of one of its aliases",
            field_path=".adapters",
        ),
    )

    model_name: PublicModelName
    """The model name that the engine expects; the router rewrites requests to it."""
    aliases: Annotated[list[PublicModelName], Field(max_length=16), ListSet()] = []
    """Further names that the engine accepts for the same model. Requests with one of these are sent
    as they are, which is cheaper than rewriting them; best are the names that clients use. In
    Managed pools the operator tells them to the engine; engines of Existing pools must accept them
    already."""
    adapters: Annotated[list[Adapter], Field(max_length=64), ListMap(("name",))] = []
    """LoRA adapters that the engine has beside the model. A route names one in `backendRefs` or
    `fallbackRefs`; the pool's own model is served without them."""
    context_window: ContextWindow | None = None
    """Longest prompt plus answer, in tokens; absent means the model's own limit, and `auto` what
    fits into the device's memory. A rule does not fall back to a pool with a smaller window unless
    `requestBytes` keeps its requests small; a window that is not a number counts as large
    enough."""

    @property
    def window_tokens(self) -> int | None:
        """The window where it is known before the engine runs."""
        return self.context_window if isinstance(self.context_window, int) else None


class Capacity(Model):
    """What one replica can carry."""

    requests_per_second: PositiveDecimal
    """Requests per second that one replica can serve all the time, within the objectives. Measure
    it with your prompts. Shifts towards this pool never fill more than a part of it."""


class ServingPoolSpec(Union):
    """What the user wants of a pool."""

    members: ClassVar[Mapping[str, Member]] = {
        "managed": Member(chosen_by=("Managed",)),
        "existing": Member(chosen_by=("Existing",)),
        "external": Member(chosen_by=("External",)),
    }
    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.type == oldSelf.type",
            message="type must not change: create a new pool and move the routes to it",
            field_path=".type",
        ),
        CEL(
            rule="!has(self.served.adapters)"
            " || self.served.adapters.all(one, has(one.source) == (self.type == 'Managed'))",
            message="served.adapters must have a source when type is Managed, and none otherwise",
            field_path=".served.adapters",
        ),
        CEL(
            rule="self.type != 'Managed'"
            " || !(has(self.managed) && has(self.served.contextWindow))"
            " || type(self.served.contextWindow) == int"
            " || self.managed.engine.type in ['VLLM', 'LlamaCpp']",
            message="contextWindow auto needs engine.type VLLM or LlamaCpp: give a number",
            field_path=".served",
        ),
        CEL(
            rule="self.type != 'Managed' || !(has(self.managed) && has(self.managed.model.cache)"
            " && has(self.managed.model.cache.prefetch))"
            " || self.managed.model.source.type == 'HuggingFace'"
            " || (has(self.managed.speculative)"
            " && self.managed.speculative.type in ['DraftModel', 'Eagle', 'Eagle3']"
            " && has(self.managed.speculative.draftModel)"
            " && self.managed.speculative.draftModel.source.type == 'HuggingFace')"
            " || (has(self.served.adapters) && self.served.adapters.exists(one,"
            " has(one.source) && one.source.type == 'HuggingFace'))",
            message="model.cache.prefetch needs a model, a draft or an adapter of type HuggingFace:"
            " no other source is downloaded into the cache",
            field_path=".managed",
        ),
    )

    type: Literal["Managed", "Existing", "External"] = "Managed"
    """Who deploys the servers: the operator, somebody else in this cluster, or a provider."""
    served: Served
    """The model that the pool serves, and its names."""
    replicas: Annotated[int, Field(ge=0, le=1000)] = 1
    """Wanted replicas. Leave it out of git when an autoscaler owns it. Ignored for Existing
    and External."""
    capacity: Capacity | None = None
    """What one replica can carry. Absent means unknown: then the first shift to this pool is a
    quarter of the traffic."""
    price: PoolPrice | None = None
    """What the pool costs; absent means that requests to it have no known cost."""
    managed: Managed | None = None
    """The deployment, for `type: Managed`."""
    existing: Existing | None = None
    """What is adopted, for `type: Existing`."""
    external: External | None = None
    """The provider, for `type: External`."""


class ServingPool(Model):
    """One fleet of identical model servers."""

    validations: ClassVar[tuple[CEL, ...]] = (named(63, "it names a Service"),)

    metadata: Metadata
    """Standard object metadata."""
    spec: ServingPoolSpec
    """What the user wants."""
    status: ServingPoolStatus = ServingPoolStatus()
    """What the operator saw last."""

    @property
    def managed(self) -> Managed:
        """The deployment of a pool of `type: Managed`."""
        assert self.spec.managed is not None, "CEL: the member named by type is set"
        return self.spec.managed


SERVING_POOL: Final = Kind(
    kind="ServingPool",
    plural="servingpools",
    singular="servingpool",
    short_name="spool",
    scale=Scale(),
    columns=columns.SERVING_POOL,
)
