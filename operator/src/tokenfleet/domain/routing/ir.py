"""The neutral configuration of one router: what `<router>-config` holds and the agent renders.

Frozen values in the words of the glossary, free of Envoy and of the API models. Ordering is part of
the value: pools and routes by name, rules as the user wrote them, so that equal intent has equal
bytes. A rule's share of n means n of its 1000 conversation buckets (`BUCKETS`); which ones is part
of the value too, because only then can a change of share move exactly the difference.
"""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

BUCKETS: Final = 1000
"""Conversation buckets of a rule. A share of n means n of these buckets."""

SCHEMA_VERSION: Final = 2
"""Version of the document in `<router>-config`; a router image reads this and the one before."""

ACCESS_LOGS: Final = ("Off", "Errors", "All")
"""Which requests are logged."""

ADDED: Final = MappingProxyType({"added": True})
"""Metadata of fields that were added to a schema version: where one has its default it is not
written, so that routers of the release before read whatever uses nothing new."""

Family = str
"""`IPv4` or `IPv6`, as `addressType` of an EndpointSlice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How servers prove who they are."""

    server_name: str
    """Name or IP address in their certificates; a name is sent as SNI, too."""
    ca: str | None
    """Certificates of authorities in PEM; None: those that the image trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A key that a pool asks for. Only where it is: the agent reads it, and Envoy by SDS."""

    secret: str
    """Secret, as the router calls it (`naming`)."""
    key: str
    """Key inside the Secret."""
    header: str
    """Lower case."""
    prefix: str
    """What stands before the key in that header; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a provider is."""

    provider: str
    """One of `external.Provider`."""
    host: str
    port: int
    authority: str
    """Value of `Host`."""
    path: str
    """What takes the place of `/v1`; empty or `/...` without a slash at its end."""
    family: str
    """`Any`, `IPv4` or `IPv6`."""
    organization: str | None
    cache_least: int | None = field(default=None, metadata=ADDED)
    """Bytes of a prompt from which on the provider caches what is marked; None: nothing is
    marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One destination of traffic."""

    name: str
    """ServingPool, as the router calls it (`naming`): also the value of the metric label `pool`."""
    model_name: str
    """What the engine expects in `model`; requests are rewritten to it per attempt."""
    aliases: tuple[str, ...]
    """Further names that the engine accepts; requests with one of these are sent as they are."""
    window: int | None
    """Longest prompt plus answer, in tokens; None where it is not known."""
    service: str
    """Service whose EndpointSlices list the replicas, as the router calls it."""
    service_uid: str | None
    """Only slices of the Service with this uid count; empty: of none yet. None: of any Service with
    the name, because its owner may replace it."""
    port_name: str
    """Name of the Service's port, by which slices list the ports of pods; may be empty."""
    family: Family
    """Addresses that are used: the Service's first family."""
    site: Site | None = field(default=None, metadata=ADDED)
    """Where a pool outside the cluster is; it has no Service, and `service` is its own name."""
    tls: Tls | None = field(default=None, metadata=ADDED)
    """None: plain HTTP."""
    credential: Credential | None = field(default=None, metadata=ADDED)
    """Replaces what clients send."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return every name that the engine accepts, the one it is asked by first."""
        return (self.model_name, *self.aliases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a request must be like; empty tuples and None match everything."""

    features: tuple[str, ...] = ()
    request_types: tuple[str, ...] = ()
    bytes_min: int | None = None
    bytes_max: int | None = None
    tools: bool | None = None
    """True: the request declares tools; False: it declares none."""
    stream: bool | None = None
    """True: the request asks for a stream; False: it does not."""
    left_max_ms: int | None = field(default=None, metadata=ADDED)
    """Most milliseconds that earlier stages have left of the route's budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolShare:
    """How many of a rule's buckets a pool gets."""

    pool: str
    share: int
    """0..1000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRange:
    """Buckets in a row that start at the same pool: first <= bucket < end."""

    pool: str
    first: int
    """0..999."""
    end: int
    """first + 1..1000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """How long one attempt may keep a client waiting before another place is asked."""

    milliseconds: int
    always: bool
    """True: the user set it, so it ends the last attempt too. False: a default, which holds only
    where another place can take over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterUse:
    """A pool that a rule asks for an adapter instead of its model."""

    pool: str
    adapter: str
    """What the engine is asked for in `model`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One path: who serves it now and who stands in."""

    name: str
    matches: tuple[Match, ...]
    """Alternatives; empty matches every request."""
    ranges: tuple[BucketRange, ...]
    """Who is asked first, by bucket: ascending, without gaps, from 0 to `BUCKETS`. Empty exactly
    when the chain is: the rule then answers 503."""
    chain: tuple[str, ...]
    """Every pool of the rule in failover order: backends by spec order, then fallbacks."""
    first_token: Deadline | None
    """For streams, from the start of the attempt to its first token; None: no limit."""
    response: Deadline | None
    """For whole answers, from the start of the attempt to its last byte; None: no limit."""
    adapters: tuple[AdapterUse, ...] = field(default=(), metadata=ADDED)
    """Pools of the chain that are asked for an adapter, each once, in the chain's order."""

    @property
    def shares(self) -> tuple[PoolShare, ...]:
        """Count the buckets of each pool, in chain order; they sum to `BUCKETS`."""
        counts = dict.fromkeys(self.chain, 0)
        for part in self.ranges:
            counts[part.pool] += part.end - part.first
        return tuple(PoolShare(pool=pool, share=count) for pool, count in counts.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """When an attempt is followed by another one."""

    connect_failure: bool
    server_error: bool
    too_many_requests: bool
    attempts: int
    """Most pools that one request is tried on, the first included; 1..8."""
    stall_ms: int
    """Milliseconds of silence after which a stream that has begun is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a request may take, from the user's action to the first token."""

    total_ms: int
    stages: tuple[str, ...]
    """Stages that are reported to the router; it measures its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One ModelRoute as the router runs it."""

    name: str
    """As the router calls it: also the value of the metric label `route`."""
    model_names: tuple[str, ...]
    features: tuple[str, ...]
    request_types: tuple[str, ...]
    rules: tuple[Rule, ...]
    failover: Failover
    budget: Budget | None = field(default=None, metadata=ADDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Header names, lower case."""

    feature: str
    request_type: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """Where spans go."""

    endpoint: str
    """URL that takes OTLP over HTTP, `http://host:port/path`."""
    sampling: int
    """Of 10,000 requests without a sampling decision of the caller's; 0..10000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterConfig:
    """Everything a router needs to carry traffic."""

    namespace: str
    name: str
    attribution: Attribution
    body_limit: int
    """Bytes."""
    allow_origins: tuple[str, ...]
    """Origins that browsers may call from; `*` for all, empty for none."""
    explain: bool
    """True: answers say which way they came."""
    access_log: str
    """One of `ACCESS_LOGS`."""
    tracing: Tracing | None
    pools: tuple[Pool, ...]
    """By name, each once; exactly the pools that the routes use."""
    routes: tuple[Route, ...]
    """By name."""
