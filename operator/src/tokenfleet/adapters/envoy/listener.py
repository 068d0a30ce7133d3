"""LDS: the listener that carries the traffic.

Envoy drains a listener that changes: connections stay until `--drain-time-s` has passed. Nothing
that changes often is in here; routes and pools have their own files.
"""

from typing import Final

from tokenfleet.adapters.envoy import replies
from tokenfleet.adapters.envoy.access_log import access_log
from tokenfleet.adapters.envoy.module import REQUEST_FILTER, module_extension, module_filter
from tokenfleet.adapters.envoy.tracing import tracing
from tokenfleet.adapters.envoy.wire import (
    CONNECTION_BUFFER,
    ROUTE_TABLE,
    TRAFFIC_STAT_PREFIX,
    Json,
    Ports,
    extension,
)
from tokenfleet.domain.routing.ir import RouterConfig

_HCM: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

IDLE_CLIENT: Final = "900s"
"""Idle connections of clients are closed after this; longer than clients and load balancers keep
theirs, so that it is they who close."""
FLUSH: Final = "660s"
"""Longest silence of a client that leaves the rest of a whole answer in the router (HTTP/2)."""
CLOSE_DELAY: Final = "0.1s"
"""How long a connection that the router closes waits for its client (`delayed_close_timeout`): a
stream that is cut ends so much later for its client. Not 0: a client that still sends would lose
the answer to the reset that follows."""


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
        **tracing(config.tracing),
        # The decision whether to trace is kept in it.
        generate_request_id=config.tracing is not None,
        # Paths are not normalised here: the module takes those that it knows letter by letter, and
        # makes the others straight before it refuses them.
        server_header_transformation="PASS_THROUGH",
        common_http_protocol_options={"idle_timeout": IDLE_CLIENT},
        http_protocol_options={"accept_http_10": True, "default_host_for_http_10": "router"},
        request_headers_timeout="30s",
        delayed_close_timeout=CLOSE_DELAY,
        stream_idle_timeout="0s",  # the module ends what is silent (`plan.IDLE_MS`)
        stream_flush_timeout=FLUSH,
        local_reply_config=replies.local_reply_config(config.body_limit),
        http_filters=[module_filter(REQUEST_FILTER), _router()],
        access_log=access_log(config.access_log),
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
        "per_connection_buffer_limit_bytes": CONNECTION_BUFFER,
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


def _router() -> Json:
    # Attempts end in the upstream log: an upstream filter is destroyed without being told why.
    attempts = module_extension(
        "tokenfleet.attempts",
        "envoy.extensions.access_loggers.dynamic_modules.v3.DynamicModuleAccessLog",
        logger_name="attempts",
    )
    return extension(
        "envoy.filters.http.router",
        "envoy.extensions.filters.http.router.v3.Router",
        suppress_envoy_headers=True,
        # By status and by time, looked up for each request: the module counts attempts.
        dynamic_stats=False,
        upstream_log=[attempts],
    )
