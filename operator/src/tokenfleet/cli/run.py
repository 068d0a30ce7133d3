"""`tokenfleet run`: the operator."""

import argparse
import asyncio
import json
import logging
import os
import socket
import sys
from datetime import UTC, datetime
from typing import Any, Final

from tokenfleet import __version__
from tokenfleet.cli.examples import examples
from tokenfleet.cli.instants import positive
from tokenfleet.cli.labels import label
from tokenfleet.cli.operate import operate
from tokenfleet.cli.prometheus import access, add_flags
from tokenfleet.cli.wiring import Options

DEFAULT_ROUTER_IMAGE: Final = f"ghcr.io/tokenfleet/router:{__version__}"

FORMS: Final = ("json", "text")
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
"""Of logs."""

PORT_MAX: Final = 65535
SHOWN: Final = 40
"""Characters of a wrong value that a message repeats."""

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
        value = os.environ.get(_variable(flag), default)
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
    add("--log-format", "text", "json or text", choices=FORMS)
    add("--log-level", "INFO", "least level that is logged")
    parser.add_argument(
        "--disable-shifting",
        action="store_true",
        default=os.environ.get("TOKENFLEET_DISABLE_SHIFTING", ""),
        help="never shift traffic: objectives are judged and shown only",
    )
    parser.add_argument(
        "--console-token",
        action="store_true",
        default=os.environ.get("TOKENFLEET_CONSOLE_TOKEN", ""),
        help="show the console only to who brings a token that may list ModelRoutes",
    )
    parser.add_argument(
        "--ids-by-cluster",
        action="store_true",
        default=os.environ.get("TOKENFLEET_IDS_BY_CLUSTER", ""),
        help="leave users and groups of pods to the cluster, as OpenShift asks",
    )


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM; 1 when leadership or a loop was lost."""
    try:
        options = _options(args)
        _configure_logging(args.log_format, args.log_level)
    except ValueError as error:
        print(f"tokenfleet run: {error}", file=sys.stderr)
        return 2
    status: int = asyncio.run(operate(options))
    return status


def _options(args: argparse.Namespace) -> Options:
    given = (name.strip() for name in args.namespaces.split(","))
    names = tuple(sorted({label("--namespaces", name) for name in given if name}))
    return Options(
        namespaces=names,
        prometheus=access(args),
        tick=positive("--tick", args.tick),
        scrape_interval=positive("--scrape-interval", args.scrape_interval),
        disable_shifting=_switch("--disable-shifting", args.disable_shifting),
        router_image=args.router_image,
        fixed_ids=not _switch("--ids-by-cluster", args.ids_by_cluster),
        lease_namespace=label("--lease-namespace", args.lease_namespace),
        lease_name=args.lease_name,
        account=_account(args),
        identity=os.environ.get("POD_NAME") or socket.gethostname(),
        listen=args.listen,
        probe_port=_port("--probe-port", int(args.probe_port)),
        metrics_port=_port("--metrics-port", int(args.metrics_port)),
        console_port=_port("--console-port", int(args.console_port)),
        console_token=_switch("--console-token", args.console_token),
    )


def _switch(flag: str, given: bool | str) -> bool:  # noqa: FBT001 - as argparse has it
    """Return whether a flag is set, by itself or by its variable in the environment.

    Raises:
        ValueError: the variable says neither.
    """
    if isinstance(given, bool):
        return given
    known = {"": False, "0": False, "false": False, "1": True, "true": True}
    if given.lower() not in known:
        msg = f"{_variable(flag)} must be true or false, not {given[:SHOWN]}"
        raise ValueError(msg)
    return known[given.lower()]


def _port(flag: str, number: int) -> int:
    if not 0 <= number <= PORT_MAX:
        msg = f"{flag} must be between 0 and {PORT_MAX}, not {number}"
        raise ValueError(msg)
    return number


def _variable(flag: str) -> str:
    return "TOKENFLEET_" + flag.strip("-").replace("-", "_").upper()


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
    """Write logs as asked for.

    Raises:
        ValueError: there is no such form or level; argparse does not look at what is in the
            environment.
    """
    if form not in FORMS:
        msg = f"--log-format must be {' or '.join(FORMS)}, not {form[:SHOWN]}"
        raise ValueError(msg)
    if level.upper() not in LEVELS:
        msg = f"--log-level must be one of {', '.join(LEVELS)}, not {level[:SHOWN]}"
        raise ValueError(msg)
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(_JsonFormatter() if form == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
