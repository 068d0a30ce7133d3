"""The neutral configuration, as the files that Envoy reads. Pure: equal input, equal bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokenfleet.adapters.envoy.bootstrap import Limits, static_part
from tokenfleet.adapters.envoy.clusters import Endpoint, pool_clusters
from tokenfleet.adapters.envoy.listener import rds, traffic_listener
from tokenfleet.adapters.envoy.outside import NO_KEYS, Keys
from tokenfleet.adapters.envoy.routes import route_table
from tokenfleet.adapters.envoy.tracing import collector_clusters
from tokenfleet.adapters.envoy.wire import Json, Ports, canonical, typed
from tokenfleet.domain.routing.ir import RouterConfig

_TYPES = {
    "listeners": "envoy.config.listener.v3.Listener",
    "clusters": "envoy.config.cluster.v3.Cluster",
    "routes": "envoy.config.route.v3.RouteConfiguration",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Everything that changes while Envoy runs."""

    listeners: tuple[Json, ...]
    clusters: tuple[Json, ...]
    routes: tuple[Json, ...]


def render(
    config: RouterConfig,
    endpoints: Mapping[str, tuple[Endpoint, ...]],
    *,
    rds_path: str,
    ports: Ports,
    keys: Keys = NO_KEYS,
) -> Resources:
    """Render what the files of a running Envoy hold."""
    return Resources(
        listeners=(traffic_listener(config, routes=rds(rds_path), ports=ports),),
        clusters=tuple(_clusters(config, endpoints, keys)),
        routes=(route_table(config, endpoints),),
    )


def discovery_response(kind: str, resources: Sequence[Json], version: str) -> str:
    """Write one xDS file.

    Args:
        kind: `listeners`, `clusters` or `routes`.
        resources: all resources of that kind.
        version: what Envoy reports as running once it has accepted them.
    """
    return canonical(
        {
            "version_info": version,
            "resources": [typed(_TYPES[kind], **resource) for resource in resources],
        }
    )


def standalone(
    config: RouterConfig,
    endpoints: Mapping[str, tuple[Endpoint, ...]],
    *,
    ports: Ports,
    limits: Limits,
    keys: Keys = NO_KEYS,
) -> Json:
    """Render one bootstrap with everything inside.

    `envoy --mode validate` does not read xDS files, so this is what is validated before the files
    are published; it also serves, for as long as nothing changes.
    """
    result = static_part(limits, admin_port=ports.admin)
    routes = {"route_config": route_table(config, endpoints)}
    static = result["static_resources"]
    static["listeners"].append(traffic_listener(config, routes=routes, ports=ports))
    static["clusters"].extend(_clusters(config, endpoints, keys))
    return result


def _clusters(
    config: RouterConfig, endpoints: Mapping[str, tuple[Endpoint, ...]], keys: Keys
) -> list[Json]:
    return [*pool_clusters(config, endpoints, keys), *collector_clusters(config.tracing)]
