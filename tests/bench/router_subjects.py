"""What is compared: a bare Envoy, and the router with everything on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from e2e.kit.ports import free_port
from tests.integration.envoy.configuration import configuration
from tokenfleet.adapters.envoy.bootstrap import Limits
from tokenfleet.adapters.envoy.render import standalone
from tokenfleet.adapters.envoy.wire import Ports, address, canonical, extension
from tokenfleet.domain.routing.ir import Route, RouterConfig


@dataclass(frozen=True)
class Subject:
    """One Envoy to be."""

    name: str
    bootstrap: Path
    port: int
    admin: int


def everything(models: int = 1, *, same_name: bool = True, **change: object) -> RouterConfig:
    """Counts, failover with limits, explain header, access log of errors; so many models.

    Args:
        models: routes; the one that is asked is among them.
        same_name: whether engines accept the client's name, so that bodies are not rewritten.
    """
    config = configuration({"large": 900, "small": 100}, timeout_ms=30_000, response_ms=60_000)
    (route,) = config.routes
    others = tuple(_named(route, f"other-{number}") for number in range(models - 1))
    aliases = ("chat",) if same_name else ()
    return replace(
        config,
        **{"access_log": "Errors", **change},
        pools=tuple(replace(pool, aliases=aliases) for pool in config.pools),
        routes=(route, *others),
    )


def _named(route: Route, name: str) -> Route:
    return replace(route, name=name, model_names=(name,))


def router(folder: Path, upstream: int, name: str = "router", **how: object) -> Subject:
    """The router, its two pools on the same server."""
    ports = Ports(host="127.0.0.1", traffic=free_port(), admin=free_port())
    endpoints = dict.fromkeys(("large", "small"), (("127.0.0.1", upstream),))
    config = everything(**how)  # type: ignore[arg-type]
    path = folder / f"{name}.json"
    path.write_text(canonical(standalone(config, endpoints, ports=ports, limits=Limits())))
    return Subject(name, path, ports.traffic, ports.admin)


def bare(folder: Path, upstream: int) -> Subject:
    """The least Envoy that forwards HTTP."""
    port, admin = free_port(), free_port()
    manager = extension(
        "http",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="bare",
        generate_request_id=False,
        http_filters=[extension("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router")],
        route_config={"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "c", "timeout": "0s"}}]}]},
    )  # fmt: skip
    endpoint = {"endpoint": {"address": address("127.0.0.1", upstream)}}
    cluster = {
        "name": "c",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "c", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    listener = {
        "name": "l",
        "address": address("127.0.0.1", port),
        "filter_chains": [{"filters": [manager]}],
    }
    path = folder / "bare.json"
    path.write_text(
        json.dumps(
            {
                "admin": {"address": address("127.0.0.1", admin)},
                "static_resources": {"listeners": [listener], "clusters": [cluster]},
            }
        )
    )
    return Subject("bare", path, port, admin)


def counted(metrics: str, name: str) -> float:
    """Sum a series of the exposition over all its labels."""
    return sum(values(metrics, name))


def values(metrics: str, name: str) -> Iterator[float]:
    for line in metrics.splitlines():
        if line.startswith((f"{name}{{", f"{name} ")):
            yield float(line.rpartition(" ")[2])
