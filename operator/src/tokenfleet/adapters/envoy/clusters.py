"""CDS: one Envoy cluster per pool, with its endpoints inside.

Endpoints are inline (`STATIC`), not EDS: every EDS file takes one of the 128 inotify instances that
a user has per node, and Envoy aborts when they run out; ADS would put protobuf and gRPC into the
agent. The price: a changed pool starts with fresh connections and in-flight counts.
"""

from typing import Final

from tokenfleet.adapters.envoy.scripts import rewrite_filter
from tokenfleet.adapters.envoy.wire import LATE_LISTENER, Json, address, extension, typed
from tokenfleet.domain.routing.ir import Pool, RouterConfig

Endpoint = tuple[str, int]
"""IP address and port of one replica."""

TRIPWIRE: Final[Endpoint] = ("127.0.0.1", 1)
"""Takes over when a pool has no endpoint that may be used: it refuses at once, and the attempt goes
on to the next pool. A cluster without hosts would answer 503 and never be retried."""

UNLIMITED: Final = 1_000_000
"""For Envoy's circuit breakers: what overflows them is not retried, so the pools' own limits must
be the ones that speak."""

_PROTOCOL_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def pool_clusters(config: RouterConfig, endpoints: dict[str, tuple[Endpoint, ...]]) -> list[Json]:
    """Return the clusters of a router's pools.

    Args:
        config: the router's configuration.
        endpoints: pool name -> replicas that may be used, in any order; a pool that is not in it
            has none.
    """
    served = {pool.name: pool.model_name for pool in config.pools}
    renamed: set[str] = set()
    for route in config.routes:
        pools = {pool for rule in route.rules for pool in rule.chain}
        # All pools of a route or none: a rewrite changes content-length for later attempts too.
        if {served[pool] for pool in pools} | set(route.model_names) != {route.model_names[0]}:
            renamed |= pools
    return [
        _cluster(
            pool,
            tuple(sorted(endpoints.get(pool.name, ()))),
            config.body_limit,
            rename=pool.name in renamed,
        )
        for pool in config.pools
    ]


def first_token_cluster() -> Json:
    """Return the cluster through which the request filter reaches the internal listener."""
    endpoint = {"address": {"envoy_internal_address": {"server_listener_name": LATE_LISTENER}}}
    return {
        "name": LATE_LISTENER,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": LATE_LISTENER,
            "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}],
        },
        "typed_extension_protocol_options": {
            _PROTOCOL_OPTIONS: typed(
                _PROTOCOL_OPTIONS, explicit_http_config={"http2_protocol_options": {}}
            )
        },
        "transport_socket": extension(
            "envoy.transport_sockets.internal_upstream",
            "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
            transport_socket=extension(
                "envoy.transport_sockets.raw_buffer",
                "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
            ),
        ),
    }


def _cluster(pool: Pool, replicas: tuple[Endpoint, ...], body_limit: int, *, rename: bool) -> Json:
    limits = dict.fromkeys(
        ("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED
    )
    filters = [rewrite_filter(pool.model_name)] if rename else []
    return {
        "name": pool.name,
        "type": "STATIC",
        "connect_timeout": "0.5s",
        "per_connection_buffer_limit_bytes": body_limit,
        "load_assignment": _load_assignment(pool.name, replicas),
        "load_balancing_policy": {"policies": [{"typed_extension_config": _least_request()}]},
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [limits]},
        "outlier_detection": _outlier_detection(len(replicas)),
        "typed_extension_protocol_options": {
            _PROTOCOL_OPTIONS: typed(
                _PROTOCOL_OPTIONS,
                explicit_http_config={"http_protocol_options": {}},
                http_filters=[
                    *filters,
                    extension(
                        "envoy.filters.http.upstream_codec",
                        "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
                    ),
                ],
            )
        },
    }


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


def _least_request() -> Json:
    return extension(
        "least_request",
        "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
        choice_count=2,
    )


def _outlier_detection(replicas: int) -> Json:
    # All replicas may be ejected, the tripwire never: its turn comes only when the others are out,
    # and then their part of the hosts has reached this percentage.
    return {
        "consecutive_5xx": 5,
        "consecutive_local_origin_failure": 3,
        "enforcing_consecutive_5xx": 100,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "split_external_local_origin_errors": True,
        "interval": "1s",
        "base_ejection_time": "2s",
        "max_ejection_time": "30s",
        "max_ejection_percent": 100 * replicas // (replicas + 1),
    }
