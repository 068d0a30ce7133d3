"""Where the weights of a model come from, and where they are kept."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from tokenfleet.api.conventions import CEL, Member, Model, SubdomainName, Union

COMMIT: Final = "^[0-9a-f]{40}$"
SubPath = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9][^\s]*$"),
    CEL(
        rule="!self.split('/').exists(part, part == '..')",
        message="must not hold `..`: the kubelet refuses it",
    ),
]
"""Path inside a volume, without a leading slash."""


class SecretKeyReference(Model):
    """One key of a Secret in the same namespace."""

    name: SubdomainName
    """Name of the Secret."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._A-Za-z0-9]+$")]
    """Key inside the Secret."""


class HubRepository(Model):
    """A repository of the Hugging Face hub, fetched by the engine."""

    repo: Annotated[
        str,
        Field(min_length=1, max_length=128, pattern=r"^[-\w.]+(/[-\w.]+)?$"),
        CEL(
            rule="!self.startsWith('-')",
            message="must not begin with a dash: the engine would read it as an option",
        ),
    ]
    """Repository, for example `meta-llama/Llama-3.3-70B-Instruct`."""
    token_secret_ref: SecretKeyReference | None = None
    """Access token for gated repositories."""


class HuggingFaceSource(HubRepository):
    """Weights from the Hugging Face hub, fetched by the engine."""

    revision: Annotated[str, Field(max_length=64, pattern=r"^[-\w./]+$")] | None = None
    """Commit, tag or branch; pin a commit in production."""
    quant: Annotated[str, Field(min_length=1, max_length=32, pattern=r"^\w[-\w]*$")] | None = None
    """Which of a repository's GGUF files, by its quantization; LlamaCpp only. Absent means
    `Q4_K_M`."""


class VolumeSource(Model):
    """Weights that already lie on a volume."""

    claim_name: SubdomainName
    """PersistentVolumeClaim that holds the weights; mounted read-only."""
    path: SubPath | None = None
    """Folder of the model inside the volume, without a leading slash; absent means its root."""


class ObjectStoreSource(Model):
    """Weights in a bucket, streamed into the engine without a copy on disk."""

    uri: Annotated[
        str,
        Field(min_length=6, max_length=512, pattern=r"^(s3|gs|az)://[^\s]+$"),
    ]
    """Folder of the model, for example `s3://weights/llama-70b`. Credentials come from the pod's
    service account or from `engine.env`."""


class ImageSource(Model):
    """Weights in an OCI image, mounted read-only by the kubelet (Kubernetes 1.33 or newer)."""

    reference: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\s]+$")]
    """Image or artifact; pin a digest in production."""
    path: SubPath | None = None
    """Folder of the model inside the image, without a leading slash; absent means its root."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the image is pulled; absent means as core/v1 decides by its tag."""


class ModelSource(Union):
    """Where the weights come from."""

    members: ClassVar[Mapping[str, Member]] = {
        "huggingFace": Member(chosen_by=("HuggingFace",)),
        "persistentVolumeClaim": Member(chosen_by=("PersistentVolumeClaim",)),
        "objectStore": Member(chosen_by=("ObjectStore",)),
        "image": Member(chosen_by=("Image",)),
    }

    type: Literal["HuggingFace", "PersistentVolumeClaim", "ObjectStore", "Image"]
    """Kind of source; the member of the same name counts."""
    hugging_face: HuggingFaceSource | None = None
    """Weights from the Hugging Face hub."""
    persistent_volume_claim: VolumeSource | None = None
    """Weights on a volume."""
    object_store: ObjectStoreSource | None = None
    """Weights in a bucket."""
    image: ImageSource | None = None
    """Weights in an OCI image."""


class CacheClaim(Model):
    """A claim that keeps downloaded weights and compiled kernels over restarts."""

    claim_name: SubdomainName
    """PersistentVolumeClaim, ReadWriteMany when the pool has several replicas."""


class ModelCache(Model):
    """Where downloaded weights and compiled kernels are kept."""

    persistent_volume_claim: CacheClaim
    """Claim mounted at the engine's cache folder."""
    sub_path: SubPath | None = None
    """Folder of the claim that is used, without a leading slash; absent means its root. One claim
    can so serve several pools."""
    prefetch: Literal["Job"] | None = None
    """Job: a Job without devices fills the cache from the hub before replicas start, and before
    those of a changed revision replace others. Absent means that engines download."""


class TargetModel(Model):
    """The model that answers."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.remoteCode == 'Refused' || self.source.type != 'HuggingFace'"
            " || !has(self.source.huggingFace) || (has(self.source.huggingFace.revision)"
            f" && self.source.huggingFace.revision.matches('{COMMIT}'))",
            message="source.huggingFace.revision must be a commit of 40 hexadecimal digits when"
            " remoteCode is Allowed: a branch or a tag can be moved to other code",
            field_path=".source",
        ),
    )

    source: ModelSource
    """Where the weights come from."""
    cache: ModelCache | None = None
    """Keeps downloaded weights and compiled kernels; without it each start downloads and compiles
    again."""
    remote_code: Literal["Refused", "Allowed"] = "Refused"
    """Whether code that is stored beside the weights may run in the engine. Allowed needs a commit
    as the revision."""


class DraftModel(Model):
    """The small model that proposes tokens for the target to verify."""

    source: ModelSource
    """Where the weights come from."""
    tensor_parallel: Annotated[int, Field(ge=1, le=16)] | None = None
    """GPUs that one copy of the draft model is split over; absent means as many as the target for
    a draft model and 1 for an EAGLE-3 head."""
