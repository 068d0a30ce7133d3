"""CDS: one Envoy cluster per pool, with its endpoints inside.

Endpoints are inline (`STATIC`), not EDS: every EDS file takes one of the 128 inotify instances that
a user has per node, and Envoy aborts when they run out; ADS would put protobuf and gRPC into the
agent. The price: a changed pool starts with fresh connections and in-flight counts.
"""

from collections.abc import Mapping
from typing import Final

from tokenfleet.adapters.envoy import outside
from tokenfleet.adapters.envoy.module import ATTEMPT_FILTER, module_filter
from tokenfleet.adapters.envoy.outside import NO_KEYS, Keys
from tokenfleet.adapters.envoy.wire import CONNECTION_BUFFER, Json, address, extension, typed
from tokenfleet.domain.routing.ir import Pool, RouterConfig

Endpoint = tuple[str, int]
"""IP address and port of one replica."""

TRIPWIRE: Final[Endpoint] = ("127.0.0.1", 1)
"""Takes over when a pool has no endpoint that may be used: it refuses at once, and the attempt goes
on to the next pool. A cluster without hosts would answer 503 and never be retried."""

UNLIMITED: Final = 1_000_000
"""For Envoy's circuit breakers: what overflows them is not retried, so the pools' own limits must
be the ones that speak."""

IDLE_CONNECTION: Final = "4s"
"""Idle connections to replicas are closed after this, before the replica does it: common engines
keep them for 5 s (uvicorn's default), and a request that meets their end would be lost."""

STRIKES: Final = 3
"""Failures in a row after which a replica goes out."""

PROTOCOL_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def pool_clusters(
    config: RouterConfig, endpoints: Mapping[str, tuple[Endpoint, ...]], keys: Keys = NO_KEYS
) -> list[Json]:
    """Return the clusters of a router's pools.

    Args:
        config: the router's configuration.
        endpoints: pool name -> replicas that may be used, in any order; a pool that is not in it
            has none.
        keys: those that are there; a pool that needs another one has no replicas.
    """
    return [_cluster(pool, endpoints.get(pool.name, ()), keys) for pool in config.pools]


def _cluster(pool: Pool, replicas: tuple[Endpoint, ...], keys: Keys) -> Json:
    away = pool.site is not None
    if pool.site is not None:
        replicas = ((pool.site.host, pool.site.port),)
    if outside.lacks_key(pool, keys):
        replicas = ()
    limits = dict.fromkeys(
        ("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED
    )
    found: Json = {
        "name": pool.name,
        "type": "STATIC",
        "connect_timeout": outside.CONNECT if away else "0.5s",
        "per_connection_buffer_limit_bytes": CONNECTION_BUFFER,
        "load_assignment": _load_assignment(pool.name, tuple(sorted(replicas))),
        "load_balancing_policy": _load_balancing(one=len(replicas) <= 1 and not away),
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [limits]},
        "outlier_detection": _outlier_detection(pool, len(replicas)),
        "typed_extension_protocol_options": {
            PROTOCOL_OPTIONS: typed(
                PROTOCOL_OPTIONS,
                common_http_protocol_options={
                    "idle_timeout": outside.IDLE if away else IDLE_CONNECTION
                },
                explicit_http_config={"http_protocol_options": {}},
                http_filters=_filters(pool, keys),
            )
        },
    }
    if pool.tls is not None:
        found["transport_socket"] = outside.transport(pool.tls)
    if pool.site is not None and replicas:
        found |= outside.resolution(pool.site.family)
    return found


def _filters(pool: Pool, keys: Keys) -> list[Json]:
    codec = extension(
        "envoy.filters.http.upstream_codec",
        "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
    )
    if pool.credential is None or outside.lacks_key(pool, keys):
        return [module_filter(ATTEMPT_FILTER), codec]
    return [outside.injector(pool.credential, keys), module_filter(ATTEMPT_FILTER), codec]


def _load_assignment(name: str, replicas: tuple[Endpoint, ...]) -> Json:
    groups = [[_endpoint(replica) for replica in replicas]] if replicas else []
    groups.append([_endpoint(TRIPWIRE)])
    return {
        "cluster_name": name,
        "endpoints": [
            {"priority": priority, "lb_endpoints": group} for priority, group in enumerate(groups)
        ],
        # Otherwise a pool that is half healthy would leak requests into the tripwire.
        "policy": {"overprovisioning_factor": UNLIMITED},
    }


def _endpoint(replica: Endpoint) -> Json:
    return {"endpoint": {"address": address(*replica)}}


def _load_balancing(*, one: bool) -> Json:
    """Return how a replica is chosen; where there is but one, by what costs least."""
    policies = "envoy.extensions.load_balancing_policies"
    least = extension("least_request", f"{policies}.least_request.v3.LeastRequest", choice_count=2)
    random = extension("random", f"{policies}.random.v3.Random")
    return {"policies": [{"typed_extension_config": random if one else least}]}


def _outlier_detection(pool: Pool, replicas: int) -> Json:
    # A replica goes out for what it does to every request: gateway errors (502, 503, 504), refused
    # and broken connections, and answers that do not come in time, which count as such errors here
    # (split_external_local_origin_errors would count the last two apart, and a connection that
    # opens would forgive a timeout, so a replica that hangs would never go). A 500 follows the
    # request: three of one client's must not take a pool of one replica from the others.
    return {
        "consecutive_gateway_failure": STRIKES,
        "enforcing_consecutive_gateway_failure": 100,
        "enforcing_consecutive_5xx": 0,
        "enforcing_success_rate": 0,
        "interval": "1s",
        "base_ejection_time": "2s",
        "max_ejection_time": "30s",
        # All replicas may be ejected, the tripwire never: its turn comes only when the others are
        # out, and then their part of the hosts has reached this percentage.
        "max_ejection_percent": outside.EJECTED
        if pool.site is not None
        else 100 * replicas // (replicas + 1),
    }
