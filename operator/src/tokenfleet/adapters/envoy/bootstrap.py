"""The bootstrap: what Envoy knows before it reads a single route."""

from dataclasses import dataclass
from typing import Final

from tokenfleet.adapters.envoy.module import module_extension, text
from tokenfleet.adapters.envoy.wire import ADMIN_PORT, Json, address, canonical, extension
from tokenfleet.api.ladder import LADDER_MILLISECONDS

_POOL_STATS: Final = (
    "upstream_rq_active|upstream_rq_total|upstream_cx_active|upstream_cx_connect_fail"
    "|membership_total|membership_healthy|outlier_detection.ejections_(active|enforced_total)"
)
_CLIENT_STATS: Final = "downstream_(rq_active|rq_total|rq_too_large|cx_active|cx_total)"
_STATS: Final = (
    rf"cluster\..*\.({_POOL_STATS})",
    rf"http\.traffic\.({_CLIENT_STATS}|rds\..*|tracing\..*)",
    r"cluster_manager\.(cds\..*|active_clusters|warming_clusters)",
    r"listener_manager\.(lds\..*|total_listeners_active|total_listeners_draining)",
    r"server\.(live|state|uptime|memory_allocated|memory_physical_size|concurrency|version)",
    r"overload\..*",
)
"""The stats that exist; Envoy's other thousands per cluster cost memory and time at every flush."""


BODIES: Final = 0.5
"""Part of the heap for request bodies above 64 KiB; the module refuses what exceeds it, so that
Envoy's limit on the heap, which refuses everybody, is not reached by uploads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where Envoy finds what changes while it runs; each is replaced by an atomic rename."""

    lds: str
    cds: str
    rds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What Envoy must not exceed."""

    heap: int = 1024 * 1024 * 1024
    """Bytes of heap at which new requests are refused."""
    connections: int = 20_000
    """Client connections."""


def bootstrap(files: Files, limits: Limits, *, admin_port: int = ADMIN_PORT) -> Json:
    """Return the bootstrap of a router's Envoy."""
    return {
        **static_part(limits, admin_port=admin_port),
        "dynamic_resources": {"lds_config": _file(files.lds), "cds_config": _file(files.cds)},
    }


def static_part(limits: Limits, *, admin_port: int = ADMIN_PORT) -> Json:
    """Return the bootstrap without its sources of listeners and clusters."""
    return {
        "node": {"id": "router", "cluster": "tokenfleet"},
        # The admin interface can stop the process and show credentials: loopback only.
        "admin": {"address": address("127.0.0.1", admin_port)},
        "stats_config": {
            "stats_matcher": {
                "inclusion_list": {
                    "patterns": [{"safe_regex": {"regex": pattern}} for pattern in _STATS]
                }
            },
        },
        "bootstrap_extensions": [
            module_extension(
                "tokenfleet.metrics",
                "envoy.extensions.bootstrap.dynamic_modules.v3.DynamicModuleBootstrapExtension",
                extension_name="metrics",
                extension_config=text(
                    canonical(
                        {
                            "ladder_ms": list(LADDER_MILLISECONDS),
                            "bodies": int(limits.heap * BODIES),
                        }
                    )
                ),
            )
        ],
        "overload_manager": _overload_manager(limits),
        "static_resources": {"listeners": [], "clusters": []},
    }


def _overload_manager(limits: Limits) -> Json:
    heap = "envoy.resource_monitors.fixed_heap"
    connections = "envoy.resource_monitors.global_downstream_max_connections"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            extension(
                heap,
                "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                max_heap_size_bytes=limits.heap,
            ),
            extension(
                connections,
                "envoy.extensions.resource_monitors.downstream_connections.v3"
                ".DownstreamConnectionsConfig",
                max_active_downstream_connections=limits.connections,
            ),
        ],
        "actions": [
            _action("envoy.overload_actions.shrink_heap", heap, 0.92),
            _action("envoy.overload_actions.stop_accepting_requests", heap, 0.97),
        ],
    }


def _action(name: str, trigger: str, threshold: float) -> Json:
    return {"name": name, "triggers": [{"name": trigger, "threshold": {"value": threshold}}]}


def _file(path: str) -> Json:
    return {"path_config_source": {"path": path}, "resource_api_version": "V3"}
