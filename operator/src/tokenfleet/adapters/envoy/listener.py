"""LDS: the listener that carries the traffic.

Envoy drains a listener that changes: connections stay until `--drain-time-s` has passed. Nothing
that changes often is in here; routes and pools have their own files.
"""

from typing import Final

from tokenfleet.adapters.envoy import attempts, replies, requests
from tokenfleet.adapters.envoy.scripts import request_filter
from tokenfleet.adapters.envoy.wire import (
    LATE_LISTENER,
    ROUTE_TABLE,
    ROUTER_HEADERS,
    TRAFFIC_STAT_PREFIX,
    Json,
    Ports,
    extension,
)
from tokenfleet.domain.routing.ir import RouterConfig

_HCM: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def traffic_listener(config: RouterConfig, *, routes: Json, ports: Ports) -> Json:
    """Return the listener for clients.

    Args:
        config: the router's configuration.
        routes: where the route table comes from: `rds`, or `route_config` inline.
        ports: where to listen.
    """
    manager = extension(
        "http",
        _HCM,
        stat_prefix=TRAFFIC_STAT_PREFIX,
        **routes,
        generate_request_id=False,
        normalize_path=True,
        merge_slashes=True,
        server_header_transformation="PASS_THROUGH",
        request_headers_timeout="30s",
        stream_idle_timeout="0s",  # the routes set it
        early_header_mutation_extensions=[_remove_router_headers()],
        local_reply_config=replies.local_reply_config(config.body_limit),
        http_filters=[
            request_filter(config.attribution),
            requests.stream_usage(),
            _router(attempts.upstream_log(), flush=True),
        ],
        access_log=requests.access_log(),
    )
    return {
        "name": "traffic",
        "address": {
            "socket_address": {
                "address": ports.host,
                "port_value": ports.traffic,
                "ipv4_compat": ports.host == "::",
            }
        },
        "per_connection_buffer_limit_bytes": config.body_limit,
        "filter_chains": [{"filters": [manager]}],
    }


def first_token_listener() -> Json:
    """Return the internal listener that takes late first tokens from the request filter."""
    manager = extension(
        "http",
        _HCM,
        stat_prefix="first-token",
        generate_request_id=False,
        http_filters=[_router([])],
        access_log=attempts.first_token_log(),
        route_config={
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 204}}],
                }
            ]
        },
    )
    return {
        "name": LATE_LISTENER,
        "internal_listener": {},
        "filter_chains": [{"filters": [manager]}],
    }


def rds(path: str) -> Json:
    """Return the reference to the route table's file."""
    return {
        "rds": {
            "route_config_name": ROUTE_TABLE,
            "config_source": {"path_config_source": {"path": path}, "resource_api_version": "V3"},
        }
    }


def _router(upstream_log: list[Json], *, flush: bool = False) -> Json:
    options: Json = {"suppress_envoy_headers": True}
    if upstream_log:
        options["upstream_log"] = upstream_log
    if flush:
        options["upstream_log_options"] = {
            "upstream_log_flush_interval": f"{attempts.FLUSH_MS / 1000:.3f}s"
        }
    return extension(
        "envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", **options
    )


def _remove_router_headers() -> Json:
    return extension(
        "remove",
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[{"remove": name} for name in ROUTER_HEADERS],
    )
