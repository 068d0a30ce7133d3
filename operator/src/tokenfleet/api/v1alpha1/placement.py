"""What users may say about pods: labels, and where they run; and which pods may talk to which.

Most of it is core/v1 and is passed on as it stands. It is typed all the same, so that a misspelt
field is refused when it is applied and not when the Deployment is.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tokenfleet.api.conventions import (
    CEL,
    ListAtomic,
    ListMap,
    ListSet,
    Model,
    ObjectName,
    SubdomainName,
)

LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelText = Annotated[str, Field(max_length=63)]
Labels = Annotated[dict[str, LabelText], Field(max_length=16)]
PodLabels = Annotated[
    Labels,
    CEL(
        rule="self.all(key, !key.startsWith('tokenfleet.dev/')"
        " && !key.startsWith('app.kubernetes.io/'))",
        message="must not use the prefixes tokenfleet.dev/ and app.kubernetes.io/:"
        " the operator's own labels have them",
    ),
]
PodAnnotations = Annotated[
    dict[str, Annotated[str, Field(max_length=4096)]],
    Field(max_length=16),
    CEL(
        rule="self.all(key, !key.startsWith('tokenfleet.dev/')"
        " && !key.startsWith('prometheus.io/'))",
        message="must not use the prefixes tokenfleet.dev/ and prometheus.io/:"
        " the operator's own annotations have them",
    ),
]


class Verbatim(Model):
    """A part of another object's API that is passed on without being read."""

    def wire(self) -> dict[str, Any]:
        """Return the fields that were set, as JSON."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class SelectorRequirement(Verbatim):
    """As core/v1 NodeSelectorRequirement and meta/v1 LabelSelectorRequirement."""

    key: LabelKey
    """Label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """Relation of the label to the values; `Gt` and `Lt` are for nodes only."""
    values: Annotated[list[LabelText], Field(max_length=32), ListAtomic()] = []
    """Values; none with `Exists` and `DoesNotExist`."""


class LabelSelector(Verbatim):
    """As meta/v1 LabelSelector."""

    match_labels: Labels = {}
    """Labels with these values."""
    match_expressions: Annotated[list[SelectorRequirement], Field(max_length=16), ListAtomic()] = []
    """Requirements, all of which hold."""


class NodeSelectorTerm(Verbatim):
    """As core/v1 NodeSelectorTerm."""

    match_expressions: Annotated[list[SelectorRequirement], Field(max_length=16), ListAtomic()] = []
    """Requirements on labels of the node."""
    match_fields: Annotated[list[SelectorRequirement], Field(max_length=16), ListAtomic()] = []
    """Requirements on fields of the node, such as `metadata.name`."""


class NodeSelector(Verbatim):
    """As core/v1 NodeSelector."""

    node_selector_terms: Annotated[
        list[NodeSelectorTerm], Field(min_length=1, max_length=16), ListAtomic()
    ]
    """Terms, any of which is enough."""


class PreferredNodes(Verbatim):
    """As core/v1 PreferredSchedulingTerm."""

    weight: Annotated[int, Field(ge=1, le=100)]
    """How much a node that matches is preferred."""
    preference: NodeSelectorTerm
    """What is preferred."""


class NodeAffinity(Verbatim):
    """As core/v1 NodeAffinity."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    """Nodes that the pods may run on."""
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[PreferredNodes], Field(max_length=16), ListAtomic()
    ] = []
    """Nodes that are preferred."""


class PodAffinityTerm(Verbatim):
    """As core/v1 PodAffinityTerm."""

    topology_key: LabelKey
    """Label of nodes. Nodes with the same value are one place."""
    label_selector: LabelSelector | None = None
    """Pods that count."""
    namespace_selector: LabelSelector | None = None
    """Namespaces whose pods count; absent means this one."""
    namespaces: Annotated[list[LabelText], Field(max_length=16), ListAtomic()] = []
    """Further namespaces by name."""


class WeightedPodAffinityTerm(Verbatim):
    """As core/v1 WeightedPodAffinityTerm."""

    weight: Annotated[int, Field(ge=1, le=100)]
    """How much a place that matches is preferred."""
    pod_affinity_term: PodAffinityTerm
    """What is preferred."""


class PodAffinity(Verbatim):
    """As core/v1 PodAffinity and PodAntiAffinity."""

    required_during_scheduling_ignored_during_execution: Annotated[
        list[PodAffinityTerm], Field(max_length=16), ListAtomic()
    ] = []
    """Terms that must hold."""
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[WeightedPodAffinityTerm], Field(max_length=16), ListAtomic()
    ] = []
    """Terms that are preferred."""


class Affinity(Verbatim):
    """As core/v1 Affinity."""

    node_affinity: NodeAffinity | None = None
    """Which nodes."""
    pod_affinity: PodAffinity | None = None
    """Near which pods."""
    pod_anti_affinity: PodAffinity | None = None
    """Away from which pods."""


class TopologySpreadConstraint(Verbatim):
    """As core/v1 TopologySpreadConstraint; the selector is the pods that it is written for."""

    max_skew: Annotated[int, Field(ge=1, le=100)] = 1
    """Largest difference in the number of pods between two places."""
    topology_key: LabelKey
    """Label of nodes, for example `topology.kubernetes.io/zone`. Nodes with the same value are one
    place."""
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = "ScheduleAnyway"
    """What happens to a pod that would exceed `maxSkew`."""
    min_domains: Annotated[int, Field(ge=1, le=100)] | None = None
    """Least number of places; with `DoNotSchedule` only."""

    def wire(self) -> dict[str, Any]:
        """Return the constraint with its defaults."""
        return self.model_dump(by_alias=True, exclude_none=True)


class IPBlock(Verbatim):
    """As networking/v1 IPBlock."""

    cidr: Annotated[str, Field(min_length=3, max_length=43)]
    """Addresses, for example `10.0.0.0/8`."""
    excluded: Annotated[
        list[Annotated[str, Field(max_length=43)]],
        Field(max_length=16, alias="except"),
        ListAtomic(),
    ] = []
    """Addresses within it that are left out."""


class NetworkPeer(Verbatim):
    """As networking/v1 NetworkPolicyPeer."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="has(self.podSelector) || has(self.namespaceSelector) || has(self.ipBlock)",
            message="podSelector, namespaceSelector or ipBlock must be set",
        ),
        CEL(
            rule="!has(self.ipBlock) || (!has(self.podSelector) && !has(self.namespaceSelector))",
            message="ipBlock must stand alone",
            field_path=".ipBlock",
        ),
    )

    pod_selector: LabelSelector | None = None
    """Pods; without `namespaceSelector` those of this namespace."""
    namespace_selector: LabelSelector | None = None
    """Namespaces; without `podSelector` all pods in them."""
    ip_block: IPBlock | None = None
    """Addresses outside the cluster."""


class SecretReference(Model):
    """A Secret in the same namespace."""

    name: SubdomainName
    """Name of the Secret."""


class Toleration(Model):
    """As core/v1 Toleration."""

    key: Annotated[str, Field(max_length=317)] | None = None
    """Taint key; absent with `Exists` tolerates all."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Relation of key to value."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Taint value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Taint effect; absent matches all."""
    toleration_seconds: Annotated[int, Field(ge=0, le=86400)] | None = None
    """How long a NoExecute taint is tolerated, in seconds."""


class PodResourceClaim(Verbatim):
    """As core/v1 PodResourceClaim."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="has(self.resourceClaimName) != has(self.resourceClaimTemplateName)",
            message="exactly one of resourceClaimName and resourceClaimTemplateName must be set",
        ),
    )

    name: ObjectName
    """Name within the pod, which `resources.claims` refers to."""
    resource_claim_name: SubdomainName | None = None
    """ResourceClaim that all pods share."""
    resource_claim_template_name: SubdomainName | None = None
    """ResourceClaimTemplate from which each pod gets a claim of its own."""


class Capabilities(Model):
    """Rights of the engine beyond those of any process."""

    add: Annotated[list[Literal["IPC_LOCK", "SYS_NICE"]], Field(max_length=2), ListSet()] = []
    """`IPC_LOCK` for RDMA and GPU-direct memory, `SYS_NICE` for binding memory to NUMA nodes. Pod
    Security of the namespace must allow them: the restricted and baseline levels do not."""


class PoolSecurityContext(Model):
    """What an engine may need beyond the restricted Pod Security Standard."""

    supplemental_groups: Annotated[
        list[Annotated[int, Field(ge=1, le=2147483647)]], Field(max_length=8), ListSet()
    ] = []
    """Groups that own device files, for example `/dev/kfd` and `/dev/dri`."""
    read_only_root_filesystem: bool = True
    """Whether the image's own files are read-only. Set it to false where a container runtime must
    write there to add devices."""
    capabilities: Capabilities = Capabilities()
    """Further rights."""


class PodOptions(Model):
    """The part of the pod that a user may shape."""

    labels: PodLabels = {}
    """Further labels on the pods."""
    annotations: PodAnnotations = {}
    """Further annotations on the pods, for example additional networks."""
    node_selector: Labels = {}
    """Labels a node must have."""
    tolerations: Annotated[list[Toleration], Field(max_length=16), ListAtomic()] = []
    """Taints the pods tolerate."""
    runtime_class_name: SubdomainName | None = None
    """RuntimeClass, for example `nvidia`."""
    priority_class_name: SubdomainName | None = None
    """PriorityClass."""
    image_pull_secrets: Annotated[
        list[SecretReference], Field(max_length=8), ListMap(("name",))
    ] = []
    """Secrets for pulling the engine image."""
    affinity: Affinity | None = None
    """Which nodes, and near or away from which pods."""
    topology_spread_constraints: Annotated[
        list[TopologySpreadConstraint], Field(max_length=8), ListAtomic()
    ] = []
    """How the pods are spread over places."""
    service_account_name: SubdomainName | None = None
    """ServiceAccount, for clouds that give access to buckets by it. The operator does not mount its
    token; a cloud's own webhook may mount one."""
    scheduler_name: SubdomainName | None = None
    """Scheduler; absent means the cluster's own."""
    resource_claims: Annotated[list[PodResourceClaim], Field(max_length=8), ListMap(("name",))] = []
    """Claims of devices (dynamic resource allocation), for `resources.claims`."""
    security_context: PoolSecurityContext = PoolSecurityContext()
    """Rights beyond those of the restricted Pod Security Standard."""
