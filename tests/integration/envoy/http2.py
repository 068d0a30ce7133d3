"""An HTTP/2 client without TLS, with HTTP/1.1 in front of it: another Envoy."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from e2e.kit.ports import free_port
from tests.integration.envoy.router import envoy_binary
from tokenfleet.adapters.envoy.wire import Json, extension

_V3 = "envoy.extensions.filters"


@asynccontextmanager
async def http2_to(router: int, folder: Path) -> AsyncIterator[int]:
    """Yield a port whose requests are passed on to the port `router` over HTTP/2."""
    port = free_port()
    config = folder / "http2.json"
    config.write_text(json.dumps(_bootstrap(port, router)))
    with (folder / "http2.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            envoy_binary(), "-c", config, "--concurrency", "1", "--disable-hot-restart",
            "--log-level", "warning", stdout=log, stderr=log,
        )  # fmt: skip
    try:
        async with asyncio.timeout(90):
            while True:
                with contextlib.suppress(ConnectionError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        await process.wait()


def _bootstrap(port: int, router: int) -> Json:
    manager = extension(
        "http",
        f"{_V3}.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="client",
        delayed_close_timeout="0.1s",
        route_config={
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {"match": {"prefix": "/"}, "route": {"cluster": "router", "timeout": "0s"}}
                    ],
                }
            ]
        },
        http_filters=[
            extension("envoy.filters.http.router", f"{_V3}.http.router.v3.Router"),
        ],
    )
    http2 = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "client",
                    "address": _address(port),
                    "filter_chains": [{"filters": [manager]}],
                }
            ],
            "clusters": [
                {
                    "name": "router",
                    "connect_timeout": "5s",
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2
                    },
                    "load_assignment": {
                        "cluster_name": "router",
                        "endpoints": [
                            {"lb_endpoints": [{"endpoint": {"address": _address(router)}}]}
                        ],
                    },
                }
            ],
        }
    }


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
