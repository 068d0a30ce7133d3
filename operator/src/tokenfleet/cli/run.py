"""`tokenfleet run`: the operator."""

import argparse
import asyncio
import json
import logging
import os
import socket
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tokenfleet import __version__
from tokenfleet.api.quantities import parse_duration
from tokenfleet.cli.examples import examples
from tokenfleet.cli.operate import operate
from tokenfleet.cli.prometheus import access, add_flags
from tokenfleet.cli.wiring import Options

DEFAULT_ROUTER_IMAGE: Final = f"ghcr.io/tokenfleet/router:{__version__}"

_NOISY: Final = ("kopf", "aiohttp", "httpx", "httpcore", "asyncio", "urllib3")
"""Loggers that tell about every request or watch at INFO."""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command; every flag can also be set as TOKENFLEET_<FLAG> in the environment."""
    parser = subparsers.add_parser(
        "run",
        help="run the operator",
        description="Run the operator. Every flag can also be set in the environment:"
        " --lease-namespace is TOKENFLEET_LEASE_NAMESPACE.",
        **examples(
            ("--namespaces=team-a --lease-namespace=team-a", "for one namespace, from a checkout"),
        ),
    )

    def add(flag: str, default: str, text: str, **options: Any) -> None:
        variable = "TOKENFLEET_" + flag.strip("-").replace("-", "_").upper()
        value = os.environ.get(variable, default)
        parser.add_argument(flag, default=value, help=text, **options)

    add("--namespaces", "", "comma-separated namespaces to watch; empty watches all")
    add_flags(add, parser)
    add("--tick", "15s", "how often objectives are measured and judged")
    add("--scrape-interval", "15s", "declared scrape interval of routers, for coverage")
    add("--router-image", DEFAULT_ROUTER_IMAGE, "image of router pods")
    add("--lease-namespace", _own_namespace(), "namespace of the leader election lease")
    add("--lease-name", "tokenfleet-operator", "name of the leader election lease")
    add("--service-account", "", "name of this pod's service account, in the lease's namespace")
    add("--listen", "0.0.0.0", "address of probes and metrics")  # noqa: S104  # inside a pod
    add("--probe-port", "8081", "port of /healthz and /readyz; 0 for none", type=int)
    add("--metrics-port", "8080", "port of /metrics; 0 for none", type=int)
    add("--console-port", "0", "port of the console; 0 for none", type=int)
    add("--log-format", "text", "json or text", choices=("json", "text"))
    add("--log-level", "INFO", "least level that is logged")
    parser.add_argument(
        "--disable-shifting",
        action="store_true",
        default=os.environ.get("TOKENFLEET_DISABLE_SHIFTING", "").lower() in ("1", "true"),
        help="never shift traffic: objectives are judged and shown only",
    )
    parser.add_argument(
        "--console-token",
        action="store_true",
        default=os.environ.get("TOKENFLEET_CONSOLE_TOKEN", "").lower() in ("1", "true"),
        help="show the console only to who brings a token that may list ModelRoutes",
    )
    parser.add_argument(
        "--ids-by-cluster",
        action="store_true",
        default=os.environ.get("TOKENFLEET_IDS_BY_CLUSTER", "").lower() in ("1", "true"),
        help="leave users and groups of pods to the cluster, as OpenShift asks",
    )


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM; 1 when leadership or a loop was lost."""
    _configure_logging(args.log_format, args.log_level)
    try:
        options = _options(args)
    except ValueError as error:
        print(f"tokenfleet run: {error}", file=sys.stderr)
        return 2
    status: int = asyncio.run(operate(options))
    return status


def _options(args: argparse.Namespace) -> Options:
    names = tuple(sorted({n.strip() for n in args.namespaces.split(",") if n.strip()}))
    return Options(
        namespaces=names,
        prometheus=access(args),
        tick=_duration("--tick", args.tick),
        scrape_interval=_duration("--scrape-interval", args.scrape_interval),
        disable_shifting=args.disable_shifting,
        router_image=args.router_image,
        fixed_ids=not args.ids_by_cluster,
        lease_namespace=args.lease_namespace,
        lease_name=args.lease_name,
        account=_account(args),
        identity=os.environ.get("POD_NAME") or socket.gethostname(),
        listen=args.listen,
        probe_port=int(args.probe_port),
        metrics_port=int(args.metrics_port),
        console_port=int(args.console_port),
        console_token=args.console_token,
    )


def _duration(flag: str, text: str) -> timedelta:
    value = parse_duration(text)
    if value <= timedelta():
        msg = f"{flag} must be more than 0, not {text}"
        raise ValueError(msg)
    return value


def _account(args: argparse.Namespace) -> str:
    name = args.service_account
    return f"system:serviceaccount:{args.lease_namespace}:{name}" if name else ""


def _own_namespace() -> str:
    return os.environ.get("POD_NAMESPACE") or "tokenfleet-system"


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def _configure_logging(form: str, level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(_JsonFormatter() if form == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
