"""`tokenfleet agent`: the router's sidecar, the drain that precedes Envoy's end, and a check.

`check` tells whether Envoy and the native module fit; images are built with it.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import tempfile
from pathlib import Path

from tokenfleet.adapters.envoy.bootstrap import Limits
from tokenfleet.adapters.envoy.wire import ADMIN_PORT, TRAFFIC_PORT, Ports
from tokenfleet.agent.drain import drain
from tokenfleet.agent.envoy import Admin
from tokenfleet.agent.module import UnfitModuleError, check_module
from tokenfleet.agent.settings import AGENT_PORT, TOKEN_FOLDER, ApiServer, Settings
from tokenfleet.api.units import parse_duration
from tokenfleet.cli.examples import examples
from tokenfleet.cli.labels import label
from tokenfleet.domain.routing.heap import heap_of


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "agent",
        help="feed the Envoy beside it, in a router pod",
        description=__doc__,
        **examples(
            ("run --router default", "feed Envoy until SIGTERM"),
            ("drain", "before the pod ends: let streams finish"),
        ),
    )
    parser.set_defaults(run=run)
    parser.add_argument("task", nargs="?", choices=("run", "drain", "check"), default="run")
    parser.add_argument("--router", default="", help="name of the ModelRouter")
    parser.add_argument("--namespace", default=os.environ.get("POD_NAMESPACE", "default"))
    parser.add_argument("--pod", default=os.environ.get("POD_NAME", "router"))
    parser.add_argument("--folder", type=Path, default=Path("/etc/tokenfleet"))
    parser.add_argument("--envoy", default="envoy", help="Envoy binary, for validation")
    parser.add_argument("--heap-limit", type=int, default=Limits().heap, help="bytes")
    parser.add_argument("--memory-limit", default="", help="of Envoy's container; instead of above")
    parser.add_argument("--start-limit", default="30s", help="after which /startz says yes anyway")
    parser.add_argument("--traffic-host", default=Ports().host)
    parser.add_argument("--traffic-port", type=int, default=TRAFFIC_PORT)
    parser.add_argument("--admin-port", type=int, default=ADMIN_PORT)
    parser.add_argument("--listen-host", default=None, help="default: all addresses")
    parser.add_argument("--listen-port", type=int, default=AGENT_PORT)
    parser.add_argument("--api-server", default=_in_cluster(), help="URL of the Kubernetes API")
    parser.add_argument("--token-file", type=Path, default=TOKEN_FOLDER / "token")
    parser.add_argument("--ca-file", type=Path, default=TOKEN_FOLDER / "ca.crt")
    parser.add_argument("--operator", default="", help="account that may read the configuration")
    parser.add_argument("--timeout", default="10m", help="drain: how long to wait at most")


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if args.task == "drain":
        asyncio.run(_drain(args))
        return 0
    if args.task == "check":
        return _checked(args.envoy)
    try:
        told = settings(args)
    except ValueError as error:
        print(f"tokenfleet agent: {error}", file=sys.stderr)
        return 2
    try:
        asyncio.run(_run(told))
    except UnfitModuleError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def settings(args: argparse.Namespace) -> Settings:
    """Return the settings that the arguments mean; files that do not exist are left out.

    Raises:
        ValueError: a flag makes no sense.
    """
    return Settings(
        router=label("--router", args.router),
        namespace=label("--namespace", args.namespace),
        pod=args.pod,
        folder=args.folder,
        envoy=args.envoy,
        ports=Ports(host=args.traffic_host, traffic=args.traffic_port, admin=args.admin_port),
        limits=Limits(heap=_heap(args)),
        start_limit=parse_duration(args.start_limit),
        operator=args.operator,
        listen_host=args.listen_host,
        listen_port=args.listen_port,
        api=ApiServer(
            url=args.api_server,
            ca_file=args.ca_file if args.ca_file.exists() else None,
            token_file=args.token_file if args.token_file.exists() else None,
        ),
    )


def _heap(args: argparse.Namespace) -> int:
    return heap_of(args.memory_limit) if args.memory_limit else int(args.heap_limit)


async def _run(told: Settings) -> None:
    # The drain, which runs beside an agent in its container, must not pay for a second one.
    from tokenfleet.agent.service import Agent  # noqa: PLC0415

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await Agent(told).run()


def _checked(envoy: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        try:
            asyncio.run(check_module(envoy, Path(folder)))
        except UnfitModuleError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


async def _drain(args: argparse.Namespace) -> None:
    admin = Admin(args.admin_port)
    try:
        await drain(admin, parse_duration(args.timeout))
    finally:
        await admin.close()


def _in_cluster() -> str:
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
