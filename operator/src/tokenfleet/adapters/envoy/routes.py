"""RDS: one virtual host with one route, and the plan by which the module chooses.

Nothing in here grows with the number of rules but the plan itself: there is one route for every
request, whose cluster the module's specifier names for each attempt.
"""

from collections.abc import Mapping
from typing import Final

from tokenfleet.adapters.envoy import failover
from tokenfleet.adapters.envoy.clusters import Endpoint
from tokenfleet.adapters.envoy.module import REQUEST_FILTER, module_extension, text
from tokenfleet.adapters.envoy.plan import plan
from tokenfleet.adapters.envoy.wire import ROUTE_TABLE, Json, canonical
from tokenfleet.domain.routing.ir import RouterConfig

_SPECIFIER: Final = (
    "envoy.extensions.router.cluster_specifiers.dynamic_modules.v3.DynamicModuleClusterSpecifier"
)
_PER_ROUTE: Final = "envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilterPerRoute"


def route_table(config: RouterConfig, endpoints: Mapping[str, tuple[Endpoint, ...]]) -> Json:
    """Return the `RouteConfiguration` of a router."""
    specifier = module_extension(
        "tokenfleet.pool",
        _SPECIFIER,
        specifier_name="pool",
        specifier_config=text(""),
        route_action_overrides=failover.overrides(config, endpoints),
    )
    table = module_extension(
        REQUEST_FILTER,
        _PER_ROUTE,
        filter_name="request",
        filter_config=text(canonical(plan(config, endpoints))),
    )
    route: Json = {
        "match": {"prefix": "/"},
        "request_body_buffer_limit": config.body_limit,
        "route": {
            # Streams may run for as long as they move; the module ends what is silent.
            "timeout": "0s",
            "inline_cluster_specifier_plugin": {"extension": specifier},
        },
    }
    return {
        "name": ROUTE_TABLE,
        "virtual_hosts": [
            {
                "name": "all",
                "domains": ["*"],
                "routes": [route],
                "typed_per_filter_config": {REQUEST_FILTER: table["typed_config"]},
            }
        ],
    }
