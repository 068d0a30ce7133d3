"""ServingPool: one fleet of identical model servers.

`Managed` pools are deployed by the operator; `Existing` pools adopt a Service that somebody else
deploys. A pool says nothing about traffic: that is ModelRoute's.
"""

from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from tokenfleet.api.conditions import Condition
from tokenfleet.api.conventions import (
    CEL,
    Count,
    Kind,
    ListAtomic,
    ListMap,
    ListSet,
    Model,
    ObjectName,
    PrinterColumn,
    PublicModelName,
    Scale,
    SubdomainName,
    named,
    union,
)
from tokenfleet.api.quantities import Duration, PositiveDecimal, Quantity
from tokenfleet.api.v1alpha1.metadata import Metadata
from tokenfleet.api.v1alpha1.placement import PodOptions
from tokenfleet.api.v1alpha1.price import PoolPrice

Text = Annotated[str, Field(min_length=1, max_length=253)]
Path = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^/[^\s]*$")]
SubPath = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9][^\s]*$")]


class SecretKeyReference(Model):
    """One key of a Secret in the same namespace."""

    name: SubdomainName
    """Name of the Secret."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._A-Za-z0-9]+$")]
    """Key inside the Secret."""


class HuggingFaceSource(Model):
    """Weights from the Hugging Face hub, fetched by the engine."""

    repo: Annotated[
        str,
        Field(min_length=1, max_length=128, pattern=r"^[-\w.]+(/[-\w.]+)?$"),
        CEL(
            rule="!self.startsWith('-')",
            message="must not begin with a dash: the engine would read it as an option",
        ),
    ]
    """Repository, for example `meta-llama/Llama-3.3-70B-Instruct`."""
    revision: Annotated[str, Field(max_length=64, pattern=r"^[-\w./]+$")] | None = None
    """Commit, tag or branch; pin a commit in production."""
    token_secret_ref: SecretKeyReference | None = None
    """Access token for gated repositories."""


class VolumeSource(Model):
    """Weights that already lie on a volume."""

    claim_name: SubdomainName
    """PersistentVolumeClaim that holds the weights; mounted read-only."""
    path: SubPath
    """Folder of the model inside the volume, without a leading slash."""


class ModelSource(Model):
    """Where the weights come from."""

    validations: ClassVar[tuple[CEL, ...]] = union(
        "type",
        {"HuggingFace": "huggingFace", "PersistentVolumeClaim": "persistentVolumeClaim"},
    )

    type: Literal["HuggingFace", "PersistentVolumeClaim"]
    """Kind of source; the member of the same name is set."""
    hugging_face: HuggingFaceSource | None = None
    """Weights from the Hugging Face hub."""
    persistent_volume_claim: VolumeSource | None = None
    """Weights on a volume."""


class CacheClaim(Model):
    """A claim that keeps downloaded weights over restarts."""

    claim_name: SubdomainName
    """PersistentVolumeClaim, ReadWriteMany when the pool has several replicas."""


class ModelCache(Model):
    """Where downloaded weights are kept."""

    persistent_volume_claim: CacheClaim
    """Claim mounted at the engine's cache folder."""


class TargetModel(Model):
    """The model that answers."""

    source: ModelSource
    """Where the weights come from."""
    cache: ModelCache | None = None
    """Keeps downloaded weights; without it each start downloads them again."""


class DraftModel(Model):
    """The small model that proposes tokens for the target to verify."""

    source: ModelSource
    """Where the weights come from."""
    tensor_parallel: Annotated[int, Field(ge=1, le=16)] | None = None
    """GPUs that one copy of the draft model is split over; absent means as many as the target for
    a draft model and 1 for an EAGLE-3 head."""


class Speculative(Model):
    """Speculative decoding: propose several tokens cheaply, verify them in one pass."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.type == 'Ngram' ? !has(self.draftModel) : has(self.draftModel)",
            message="draftModel must be set exactly when type is DraftModel or Eagle3",
            field_path=".draftModel",
        ),
    )

    type: Literal["DraftModel", "Eagle3", "Ngram"]
    """Who proposes: a draft model, an EAGLE-3 head, or n-grams of the prompt."""
    tokens: Annotated[int, Field(ge=1, le=16)]
    """Tokens proposed per step."""
    draft_model: DraftModel | None = None
    """The draft model or EAGLE-3 head."""


class Engine(Model):
    """The server program."""

    type: Literal["VLLM"] = "VLLM"
    """Engine family; decides the arguments."""
    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\s]+$")]
    """Container image; pin a digest in production."""
    extra_args: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=512)]],
        Field(max_length=64),
        ListAtomic(),
        CEL(
            rule="size(self) == 0 || self[0].startsWith('-')",
            message="must begin with an option: a word alone would be read as a model",
        ),
        CEL(
            rule="self.all(argument, argument != '--')",
            message="must not hold `--`: what follows it would be read as a model",
        ),
    ] = []
    """Further engine arguments, best as `--option=value`. What a typed field sets, keys, local
    media, remote code and words that belong to no option are refused with
    `Accepted=False/ArgumentRefused`."""


class Resources(Model):
    """Compute per replica, as in core/v1 ResourceRequirements."""

    limits: Annotated[dict[str, Quantity], Field(max_length=16)] = {}
    """Upper bounds, for example `nvidia.com/gpu: 4`."""
    requests: Annotated[dict[str, Quantity], Field(max_length=16)] = {}
    """What the scheduler reserves; where absent, the limits."""


class Parallelism(Model):
    """How one replica is split over devices."""

    tensor: Annotated[int, Field(ge=1, le=16)] = 1
    """Tensor-parallel size: GPUs (or CPU sockets) per replica."""


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
    """Replicas above the wanted count during a rollout. 0 by default: spare GPUs are rare."""
    max_unavailable: Annotated[int, Field(ge=0, le=100)] = 1
    """Replicas that may be missing during a rollout."""


class Managed(Model):
    """A pool that the operator deploys."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="!has(self.cpu) || self.device == 'CPU'",
            message="cpu must be set only when device is CPU",
            field_path=".cpu",
        ),
        CEL(
            rule="self.device == 'GPU' || !has(self.resources) || !has(self.resources.limits)"
            " || !('nvidia.com/gpu' in self.resources.limits)",
            message="nvidia.com/gpu must not be asked for when device is CPU",
            field_path=".resources",
        ),
    )

    engine: Engine
    """The server program."""
    model: TargetModel
    """The model that answers."""
    device: Literal["GPU", "CPU"] = "GPU"
    """What the engine computes on."""
    resources: Resources = Resources()
    """Compute per replica."""
    parallelism: Parallelism = Parallelism()
    """How one replica is split over devices."""
    cpu: CPUOptions | None = None
    """Options for `device: CPU`."""
    speculative: Speculative | None = None
    """Speculative decoding; absent means off."""
    rollout: Rollout = Rollout()
    """How changes are rolled out."""
    startup_timeout: Annotated[timedelta, Duration("10s", "4h")] = timedelta(minutes=30)
    """Longest time from container start to ready: loading, compiling, and downloading where there
    is no cache. A 140 GB model at 100 MB/s needs 24 minutes."""
    termination_grace_period: Annotated[timedelta, Duration("1s", "2h")] = timedelta(minutes=10)
    """How long running streams may go on after a replica is told to stop."""
    pod: PodOptions = PodOptions()
    """Placement and labels of the pods."""


class ServiceReference(Model):
    """A Service in the same namespace, and one of its ports."""

    name: ObjectName
    """Name of the Service."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """Port of the Service that speaks the OpenAI API."""


class Existing(Model):
    """A pool that somebody else deploys."""

    service_ref: ServiceReference
    """The Service whose endpoints are the replicas."""


class Served(Model):
    """What the pool answers for."""

    model_name: PublicModelName
    """The model name that the engine expects; the router rewrites requests to it."""
    aliases: Annotated[list[PublicModelName], Field(max_length=16), ListSet()] = []
    """Further names that the engine accepts for the same model. Requests with one of these are sent
    as they are, which is cheaper than rewriting them; best are the names that clients use. Managed
    pools serve them; of Existing ones they must be true."""
    context_window: Annotated[int, Field(ge=128, le=16_777_216)] | None = None
    """Longest prompt plus answer, in tokens; absent means the model's own limit. A rule does not
    fall back to a pool with a smaller window unless `requestBytes` keeps its requests small."""


class Capacity(Model):
    """What one replica can carry."""

    requests_per_second: PositiveDecimal
    """Sustainable requests per second of one replica. Guards shifts towards this pool."""


class ServingPoolSpec(Model):
    """What the user wants of a pool."""

    validations: ClassVar[tuple[CEL, ...]] = (
        *union("type", {"Managed": "managed", "Existing": "existing"}),
        CEL(
            rule="self.type == oldSelf.type",
            message="type must not change: create a new pool and move the routes to it",
            field_path=".type",
        ),
    )

    type: Literal["Managed", "Existing"] = "Managed"
    """Who deploys the servers: the operator, or somebody else."""
    served: Served
    """What the pool answers for."""
    replicas: Annotated[int, Field(ge=0, le=1000)] = 1
    """Wanted replicas. Leave it out of git when an autoscaler owns it. Ignored for Existing."""
    capacity: Capacity | None = None
    """What one replica can carry; absent means unknown, and shifts towards the pool are careful."""
    price: PoolPrice | None = None
    """What the pool costs; absent means that requests to it have no known cost."""
    managed: Managed | None = None
    """The deployment, for `type: Managed`."""
    existing: Existing | None = None
    """The adopted Service, for `type: Existing`."""


class ServingPoolStatus(Model):
    """What the operator saw last."""

    observed_generation: Count | None = None
    """The `metadata.generation` this status was computed from."""
    replicas: Count = 0
    """Replicas that exist."""
    ready_replicas: Count = 0
    """Replicas that serve."""
    selector: Annotated[str, Field(max_length=512)] = ""
    """Label selector of the pods, for autoscalers."""
    conditions: Annotated[list[Condition], Field(max_length=16), ListMap(("type",))] = []
    """Accepted, Available, Progressing, RolloutGapless, Ready."""


class ServingPool(Model):
    """One fleet of identical model servers."""

    validations: ClassVar[tuple[CEL, ...]] = (named(63, "it names a Service"),)

    metadata: Metadata
    """Standard object metadata."""
    spec: ServingPoolSpec
    """What the user wants."""
    status: ServingPoolStatus = ServingPoolStatus()
    """What the operator saw last."""


SERVING_POOL: Final = Kind(
    kind="ServingPool",
    plural="servingpools",
    singular="servingpool",
    short_name="spool",
    scale=Scale(),
    columns=(
        PrinterColumn(name="Model", json_path=".spec.served.modelName"),
        PrinterColumn(name="Type", json_path=".spec.type", priority=1),
        PrinterColumn(name="Device", json_path=".spec.managed.device"),
        PrinterColumn(name="Desired", json_path=".spec.replicas", type="integer"),
        PrinterColumn(name="Ready", json_path=".status.readyReplicas", type="integer"),
        PrinterColumn(name="Status", json_path=".status.conditions[?(@.type=='Ready')].reason"),
        PrinterColumn(name="Age", json_path=".metadata.creationTimestamp", type="date"),
    ),
)
