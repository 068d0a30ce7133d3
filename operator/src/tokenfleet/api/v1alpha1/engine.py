"""The server program of a managed pool: image, arguments, environment and files."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from tokenfleet.api.conventions import CEL, ListAtomic, ListMap, Model, ObjectName, SubdomainName
from tokenfleet.api.quantities import Quantity
from tokenfleet.api.v1alpha1.model_source import SecretKeyReference
from tokenfleet.api.v1alpha1.placement import Verbatim

OWN_VARIABLES: Final = (
    "HOME",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "HF_HOME",
    "VLLM_CACHE_ROOT",
    "VLLM_CONFIG_ROOT",
    "VLLM_ENGINE_READY_TIMEOUT_S",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
    "NUMBA_CACHE_DIR",
    "OUTLINES_CACHE_DIR",
    "FLASHINFER_WORKSPACE_BASE",
    "VLLM_CPU_OMP_THREADS_BIND",
    "VLLM_PORT",
    "SGLANG_CACHE_DIR",
    "SGLANG_HEALTH_CHECK_TIMEOUT",
    "LLAMA_CACHE",
)
"""Variables that the operator sets, or that would move what the Service and the probes expect."""

_SENSITIVE: Final = "(_KEY|_TOKEN)$|SECRET|PASSWORD"
_SWITCHES: Final = ("", "0", "1", "false", "no", "off", "on", "true", "yes")
"""Values that are no secret: `SGLANG_USE_AITER_FP8_PER_TOKEN`, for example, is a switch."""
_RESERVED: Final = ("/cache", "/dev", "/proc", "/sys", "/tmp", "/weights")  # noqa: S108


class ConfigMapKeyReference(Model):
    """One key of a ConfigMap in the same namespace."""

    name: SubdomainName
    """Name of the ConfigMap."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._A-Za-z0-9]+$")]
    """Key inside the ConfigMap."""


class OptionalSecretKey(SecretKeyReference, Verbatim):
    """One key of a Secret, as core/v1 SecretKeySelector."""

    optional: bool | None = None
    """Whether the pod starts without it; absent means that it waits."""


class OptionalConfigMapKey(ConfigMapKeyReference, Verbatim):
    """One key of a ConfigMap, as core/v1 ConfigMapKeySelector."""

    optional: bool | None = None
    """Whether the pod starts without it; absent means that it waits."""


class ResourceReference(Verbatim):
    """One of the container's own resources, as core/v1 ResourceFieldSelector."""

    resource: Annotated[
        str,
        Field(
            max_length=253,
            pattern=r"^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-\S+)$",
        ),
    ]
    """For example `limits.cpu`."""
    divisor: Quantity | None = None
    """Unit that the value is written in, for example `1Gi`; absent means 1."""


class FieldReference(Verbatim):
    """One field of the pod, as core/v1 ObjectFieldSelector."""

    api_version: Literal["v1"] | None = None
    """Version of the path's schema."""
    field_path: Annotated[str, Field(min_length=1, max_length=253)]
    """Path, for example `status.podIP`."""


class EnvVarSource(Verbatim):
    """Where a variable's value comes from."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef),"
            " has(self.resourceFieldRef)].filter(given, given).size() == 1",
            message="exactly one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef"
            " must be set",
        ),
    )

    secret_key_ref: OptionalSecretKey | None = None
    """A key of a Secret."""
    config_map_key_ref: OptionalConfigMapKey | None = None
    """A key of a ConfigMap."""
    field_ref: FieldReference | None = None
    """A field of the pod."""
    resource_field_ref: ResourceReference | None = None
    """A limit or a request of the engine's container."""


class EnvVar(Verbatim):
    """One environment variable, as core/v1 EnvVar."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="has(self.value) != has(self.valueFrom)",
            message="exactly one of value and valueFrom must be set",
        ),
        CEL(
            rule=f"!has(self.value) || !self.name.upperAscii().matches('{_SENSITIVE}')"
            f" || self.value.lowerAscii() in {list(_SWITCHES)}",
            message="must not hold a secret: everybody who may read pods reads it;"
            " use valueFrom.secretKeyRef",
            field_path=".value",
        ),
    )

    name: Annotated[
        str,
        Field(min_length=1, max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"),
        CEL(
            rule=f"!(self in {list(OWN_VARIABLES)})",
            message="must not be a variable that the operator sets: " + ", ".join(OWN_VARIABLES),
        ),
        CEL(
            rule="!self.startsWith('LLAMA_ARG_')",
            message="must not begin with LLAMA_ARG_: engine arguments belong into engine.extraArgs",
        ),
    ]
    """Name."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """Value as text."""
    value_from: EnvVarSource | None = None
    """Value from elsewhere."""


class FileSource(Model):
    """Files from a ConfigMap or a Secret: chat templates, cache configurations, certificates."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="has(self.configMap) != has(self.secret)",
            message="exactly one of configMap and secret must be set",
        ),
    )

    name: ObjectName
    """Name within the list."""
    mount_path: Annotated[
        str,
        Field(min_length=2, max_length=253, pattern=r"^/[^\s:]+$"),
        CEL(
            rule=f"!{list(_RESERVED)}.exists(own, self == own || self.startsWith(own + '/'))",
            message="must not lie in /cache, /dev, /proc, /sys, /tmp or /weights:"
            " the operator mounts volumes there",
        ),
    ]
    """Folder in the container that the files appear in; read-only."""
    config_map: SubdomainName | None = None
    """ConfigMap in the same namespace, each key a file."""
    secret: SubdomainName | None = None
    """Secret in the same namespace, each key a file."""


class Engine(Model):
    """The server program."""

    type: Literal["VLLM", "SGLang", "LlamaCpp", "TensorRTLLM"] = "VLLM"
    """Engine family: decides command, arguments, probes and metrics. The page on engines says what
    each can do."""
    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\s]+$")]
    """Container image; pin a digest in production."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the image is pulled; absent means as core/v1 decides by its tag."""
    command: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=1024)]],
        Field(max_length=16),
        ListAtomic(),
    ] = []
    """Program that is run instead of the engine's own; the arguments follow it. For images whose
    engine needs a shell to prepare it."""
    extra_args: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=4096)]],
        Field(max_length=256),
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
    """Further engine arguments, best as `--option=value`. Refused with
    `Accepted=False/ArgumentRefused` are: what another field sets, keys, local media, remote code,
    and words that belong to no option."""
    config: Annotated[str, Field(min_length=2, max_length=16384)] | None = None
    """For TensorRTLLM: JSON object of settings that the engine takes only from the file of its
    `--config`, for example `{"enable_attention_dp": true}`. Refused with
    `Accepted=False/ArgumentRefused` is what another field sets. Absent means none."""
    concurrency: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Most requests that one replica computes at once; further ones wait in the engine. Absent
    means the engine's own default, and 4 for LlamaCpp."""
    env: Annotated[list[EnvVar], Field(max_length=64), ListMap(("name",))] = []
    """Further environment variables. Those that the operator sets (caches, user, ports) are
    refused. A value under a name such as `*_KEY` or `*_TOKEN` must come from a Secret."""
    files: Annotated[list[FileSource], Field(max_length=16), ListMap(("name",))] = []
    """Files that the engine reads."""
