"""ModelRoute: a public model name, the rules that choose pools for it, and the fallback chain."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from tokenfleet.api.conventions import (
    CEL,
    Count,
    Kind,
    ListAtomic,
    ListMap,
    ListSet,
    Member,
    MetricLabel,
    Model,
    NamespacedReference,
    ObjectName,
    PublicModelName,
    Union,
    named,
    named_once,
)
from tokenfleet.api.quantities import Duration
from tokenfleet.api.v1alpha1 import columns
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.api.v1alpha1.latency_budget import LatencyBudget, RemainingBudget, StageStatus
from tokenfleet.api.v1alpha1.metadata import Metadata

RULE_OR_SLICE: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\[[-A-Za-z0-9_.=+,]+\])?$"
"""A rule's name, with a slice's selector behind it or without."""


class ByteRange(Model):
    """An inclusive range of request body sizes in bytes."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(rule="has(self.min) || has(self.max)", message="min or max must be set"),
        CEL(
            rule="!has(self.min) || !has(self.max) || self.min <= self.max",
            message="min must not be more than max",
        ),
    )

    min: Annotated[int, Field(ge=0, le=67_108_864)] | None = None
    """Smallest body, inclusive."""
    max: Annotated[int, Field(ge=0, le=67_108_864)] | None = None
    """Largest body, inclusive."""


class RuleMatch(Model):
    """What a request must be like; all members that are set must hold."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="(has(self.features) && size(self.features) > 0)"
            " || (has(self.requestTypes) && size(self.requestTypes) > 0)"
            " || has(self.requestBytes) || has(self.tools) || has(self.stream)"
            " || has(self.remainingBudget)",
            message="a match must ask for something: to take every request, leave out matches",
        ),
    )

    features: Annotated[list[MetricLabel], Field(max_length=32), ListSet()] = []
    """Features, any of these; empty matches all."""
    request_types: Annotated[list[MetricLabel], Field(max_length=32), ListSet()] = []
    """Request types, any of these; empty matches all."""
    request_bytes: ByteRange | None = None
    """Size of the request body."""
    tools: Literal["Absent", "Present"] | None = None
    """Whether the request declares tools."""
    stream: Literal["Absent", "Present"] | None = None
    """Whether the request asks for a streamed answer."""
    remaining_budget: RemainingBudget | None = None
    """How much of `latencyBudget.total` the stages before the model have left."""


class PoolWeight(Model):
    """A pool, and its part of a rule's traffic."""

    name: ObjectName
    """ServingPool in the same namespace."""
    weight: Annotated[int, Field(ge=0, le=1000)] = 1
    """Part of the rule's conversations, relative to the sum of the rule's weights."""


class BackendReference(PoolWeight):
    """A pool that serves a rule, and its part of the traffic."""

    adapter: PublicModelName | None = None
    """Adapter of the pool (`served.adapters`) that is asked for; absent means the pool's model."""


class FallbackReference(Model):
    """A pool that stands in for the backends of a rule."""

    name: ObjectName
    """ServingPool in the same namespace."""
    adapter: PublicModelName | None = None
    """Adapter of the pool (`served.adapters`) that is asked for; absent means the pool's model."""


class RouteRule(Model):
    """One rule: which requests it takes, which pools serve them, and which pools stand in."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.backendRefs.exists(b, b.weight > 0)",
            message="backendRefs must give at least one pool a weight above 0",
            field_path=".backendRefs",
        ),
        CEL(
            rule="!has(self.fallbackRefs) || self.fallbackRefs.all(f,"
            " !self.backendRefs.exists(b, b.name == f.name))",
            message="fallbackRefs must not name a pool of backendRefs",
            field_path=".fallbackRefs",
        ),
    )

    name: ObjectName
    """Name of the rule; TokenSLO's `sectionName` refers to it."""
    matches: Annotated[list[RuleMatch], Field(max_length=16), ListAtomic()] = []
    """Alternatives: the rule takes a request that fits any of them. A rule without matches takes
    every request. The last rule must have no matches, and every other rule must have some."""
    backend_refs: Annotated[
        list[BackendReference], Field(min_length=1, max_length=8), ListAtomic(), named_once("pool")
    ]
    """The pools that serve the rule."""
    fallback_refs: Annotated[
        list[FallbackReference], Field(max_length=8), ListAtomic(), named_once("pool")
    ] = []
    """The pools that stand in when the backends cannot serve well, in this order."""


class Failover(Model):
    """When one request is tried again on the next pool of its chain."""

    retry_on: Annotated[
        list[
            Literal[
                "ConnectFailure",
                "ServerError",
                "TooManyRequests",
                "FirstTokenTimeout",
                "ResponseTimeout",
            ]
        ],
        Field(max_length=5),
        ListSet(),
    ] = [
        "ConnectFailure",
        "ServerError",
        "TooManyRequests",
        "FirstTokenTimeout",
        "ResponseTimeout",
    ]
    """Outcomes of an attempt after which the next pool is asked, as long as no byte has reached the
    client. ConnectFailure: no connection, or one that breaks before an answer begins. ServerError:
    status 300 to 399, 408 and 500 to 599; of providers also 404 and 405, and 401 to 403 where the
    credential is the router's. TooManyRequests: status 429 and 529. FirstTokenTimeout and
    ResponseTimeout: the limits below. An error inside an answer with status 200 counts as the error
    that it names; after an answer that no client could use, the next pool is asked in any case."""
    first_token_timeout: Annotated[timedelta, Duration("50ms", "10m")] | None = None
    """Longest wait for the first token of a stream. Absent: ten times the rule's TimeToFirstToken
    threshold, between 10s and 120s, else 60s; and only where another pool or replica can take
    over."""
    response_timeout: Annotated[timedelta, Duration("50ms", "1h")] | None = None
    """Longest wait for the end of an answer that is not streamed. Absent: ten times the rule's
    EndToEnd threshold, between 10s and 120s, else 10m; and only where another pool or replica can
    take over."""
    stall_timeout: Annotated[timedelta, Duration("50ms", "1h")] = timedelta(seconds=60)
    """Longest silence of a stream after its first token; pings and comments count as silence. Then
    the client gets an error event, and the connection ends."""
    attempts: Annotated[int, Field(ge=1, le=8)] = 3
    """Most pools that one request is tried on, the first included. In addition, another replica of
    the first pool is tried once."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="!has(self.firstTokenTimeout) || 'FirstTokenTimeout' in self.retryOn",
            message="firstTokenTimeout must be set only when retryOn holds FirstTokenTimeout",
            field_path=".firstTokenTimeout",
        ),
        CEL(
            rule="!has(self.responseTimeout) || 'ResponseTimeout' in self.retryOn",
            message="responseTimeout must be set only when retryOn holds ResponseTimeout",
            field_path=".responseTimeout",
        ),
    )


class PinnedRule(Model):
    """Fixed shares of one rule."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.pools.exists(p, p.weight > 0)",
            message="pools must give at least one pool a weight above 0",
            field_path=".pools",
        ),
    )

    name: ObjectName
    """Name of the rule."""
    pools: Annotated[
        list[PoolWeight], Field(min_length=1, max_length=16), ListAtomic(), named_once("pool")
    ]
    """Pools of the rule's backendRefs and fallbackRefs, with weights."""


class Pin(Model):
    """Fixed shares until a moment."""

    # A pin in git after one by hand: of two owners' pin, neither could take all away.
    atomic: ClassVar[bool] = True

    rules: Annotated[list[PinnedRule], Field(min_length=1, max_length=64), ListMap(("name",))]
    """Rules that are pinned. Objectives go on to control the other rules."""
    until: datetime
    """When the pin ends, as RFC 3339, for example `2026-03-01T18:00:00Z`. From then on shares step
    back to the weights as written."""


class TrafficControl(Union):
    """Who decides the shares."""

    members: ClassVar[Mapping[str, Member]] = {"pinned": Member(chosen_by=("Pinned",))}

    type: Literal["Auto", "Disabled", "Pinned"] = "Auto"
    """Auto: TokenSLOs may shift. Disabled: shares step back to the weights as written, and stay
    there. Pinned: the shares of `pinned`, at once."""
    pinned: Pin | None = None
    """The fixed shares, for `type: Pinned`; ignored otherwise."""


class ModelRouteSpec(Model):
    """What the user wants of a route."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="!has(self.rules[size(self.rules) - 1].matches)"
            " || size(self.rules[size(self.rules) - 1].matches) == 0",
            message="the last rule must have no matches: it takes what no other rule took",
            field_path=".rules",
        ),
        CEL(
            rule="self.rules.filter(r, !has(r.matches) || size(r.matches) == 0).size() <= 1",
            message="only the last rule may have no matches: rules after it would get no request",
            field_path=".rules",
        ),
        CEL(
            rule="self.trafficControl.type != 'Pinned' || !has(self.trafficControl.pinned)"
            " || self.trafficControl.pinned.rules.all(p,"
            " self.rules.exists(r, r.name == p.name))",
            message="trafficControl.pinned.rules must name rules of this route",
            field_path=".trafficControl.pinned.rules",
        ),
        CEL(
            rule="has(self.latencyBudget) || !self.rules.exists(r, has(r.matches)"
            " && r.matches.exists(m, has(m.remainingBudget)))",
            message="latencyBudget must be set when a rule matches on remainingBudget",
            field_path=".latencyBudget",
        ),
    )

    parent_refs: Annotated[
        list[NamespacedReference],
        Field(min_length=1, max_length=8),
        ListAtomic(),
        named_once("router", namespaced=True),
    ]
    """ModelRouters that carry this route. A router of another namespace carries it only if its
    `allowedRoutes` allows this namespace."""
    model_names: Annotated[list[PublicModelName], Field(min_length=1, max_length=16), ListSet()]
    """What clients put in `model`; also listed by GET /v1/models."""
    features: Annotated[list[MetricLabel], Field(max_length=32), ListSet()] = []
    """Features that get their own metric label; anything else counts as `other`."""
    request_types: Annotated[list[MetricLabel], Field(max_length=32), ListSet()] = []
    """Request types that get their own metric label; anything else counts as `other`."""
    rules: Annotated[list[RouteRule], Field(min_length=1, max_length=64), ListMap(("name",))]
    """Rules, tried in order; the first one that matches takes the request. The last one must have
    no matches."""
    failover: Failover = Failover()
    """When a request is tried again."""
    latency_budget: LatencyBudget | None = None
    """How long a request may take, by stage; absent: stages are neither read nor measured."""
    traffic_control: TrafficControl = TrafficControl()
    """Who decides the shares."""


class PoolShare(Model):
    """The part of a rule's conversations that a pool gets now."""

    name: ObjectName
    """ServingPool."""
    share: Annotated[int, Field(ge=0, le=1000)]
    """How many of 1000 conversations the pool gets."""


class RuleStatus(Model):
    """Where the traffic of a rule, or of a slice of one, goes, and why."""

    name: Annotated[str, Field(min_length=1, max_length=700, pattern=RULE_OR_SLICE)]
    """Name of the rule. A slice is those requests of a rule that an objective with a selector acts
    on. Its name is the rule's with the selector, `answers[type=chat]`; the rule then stands for all
    other requests."""
    shares: Annotated[list[PoolShare], Field(max_length=16), ListMap(("name",))] = []
    """Shares by pool; they sum to 1000."""
    reason: Annotated[str, Field(max_length=64)] = "AsWritten"
    """AsWritten, Shifted, Recovering, Pinned, Frozen, Held or NoHealthyFallback."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """The last decision, with its numbers."""
    since: datetime | None = None
    """When the shares last changed."""
    fallback_in_use: bool = False
    """Whether a fallback pool has a share now."""
    measured_share: Annotated[str, Field(max_length=8)] = ""
    """Part of the route's requests that the rule took in an hour, 0 to 1, two digits. Written with
    other changes, or when it has moved by 0.05; empty: nothing is known, or fewer than 20 requests
    came. The metric `tokenfleet_route_measured_share` is live."""


class ParentStatus(Model):
    """The state of the route on one router."""

    parent_ref: NamespacedReference
    """The router, as `spec.parentRefs` names it."""
    conditions: Annotated[list[Condition], Field(max_length=8), ListMap(("type",))] = []
    """Accepted, ResolvedRefs, Programmed."""


class ModelRouteStatus(Model):
    """What the operator saw last."""

    observed_generation: Count | None = None
    """The `metadata.generation` this status was computed from."""
    parents: Annotated[list[ParentStatus], Field(max_length=8), ListAtomic()] = []
    """The state of the route on each router of `spec.parentRefs`, in that order."""
    rules: Annotated[list[RuleStatus], Field(max_length=576), ListMap(("name",))] = []
    """Where each rule's traffic goes: in order, slices before their rule."""
    latency_budget: Annotated[list[StageStatus], Field(max_length=20), ListMap(("stage",))] = []
    """Where the latency budget goes; empty where there is none."""
    traffic: Annotated[str, Field(max_length=1024)] = ""
    """One line for people: the shares of every rule."""
    control: Annotated[str, Field(max_length=16)] = ""
    """Who decides the shares now: Auto, Disabled, Pinned, PinEnded (the pin's time is over: as with
    Auto) or PinRefused (the pin names a pool that its rule does not have: shares stay)."""
    operator: Annotated[str, Field(max_length=317)] = ""
    """The operator that manages the object, by its Lease: `NAMESPACE/NAME`."""
    contender: Annotated[str, Field(max_length=317)] = ""
    """Another operator that watches the object too, and does not manage it. That operator writes
    this field."""
    conditions: Annotated[list[Condition], Field(max_length=16), ListMap(("type",))] = []
    """Accepted, ResolvedRefs, Programmed, FallbackAvailable, ManagedByAnother, Ready."""


class ModelRoute(Model):
    """A public model name and its way to the pools."""

    validations: ClassVar[tuple[CEL, ...]] = (named(63, "TokenSLOs and metrics name it"),)

    metadata: Metadata
    """Standard object metadata."""
    spec: ModelRouteSpec
    """What the user wants."""
    status: ModelRouteStatus = ModelRouteStatus()
    """What the operator saw last."""


MODEL_ROUTE: Final = Kind(
    kind="ModelRoute",
    plural="modelroutes",
    singular="modelroute",
    short_name="mroute",
    columns=columns.MODEL_ROUTE,
)
