"""Flags that say where Prometheus is and how to be let in."""

import argparse
import os
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tokenfleet.adapters.prometheus.access import VALUES, Access, Settings
from tokenfleet.adapters.prometheus.source import PrometheusSource
from tokenfleet.cli.faults import NothingThereError

QUERY_TIMEOUT: Final = timedelta(seconds=10)
"""Longest wait for one query: a Prometheus that compacts or shares a busy node needs seconds, and a
late answer is still an answer about the instant it was asked for."""

KNOWN: Final = "count(last_over_time(tokenfleet_build_info[1h]))"
UNKNOWN: Final = (
    "this Prometheus has heard nothing of Tokenfleet in the last hour: is it the one that scrapes"
    " the operator and its routers?"
)

FLAGS: Final = Settings(
    url="--prometheus-url",
    ca="--prometheus-ca-file",
    client="--prometheus-client-cert-file",
    tls="--prometheus-ca-file",
    token="--prometheus-token-file",  # noqa: S106 - names of flags, no secrets
    basic="--prometheus-password-file",
    headers="--prometheus-header",
)
"""What messages call the settings where a person runs a command."""

_ADDRESS: Final = re.compile(r"https?://[^/\s]")
_SPACE: Final = re.compile(r"[\s\x00-\x1f]")
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}=[ -~]{0,1024}")


def add_flags(add: Callable[[str, str, str], None], parser: argparse._ActionsContainer) -> None:
    """Add the flags; `add` takes a flag, its default and its help."""
    add("--prometheus-url", "", "base URL of Prometheus; empty means no measurements: SLOs hold")
    add("--prometheus-token-file", "", "file with a bearer token for Prometheus; empty for none")
    add("--prometheus-username", "", "user for basic authentication; empty for none")
    add("--prometheus-password-file", "", "file with that user's password")
    add("--prometheus-ca-file", "", "file with certificates to trust; empty: the system's")
    add("--prometheus-client-cert-file", "", "file with a client certificate; empty for none")
    add("--prometheus-client-key-file", "", "file with its key")
    add(
        "--prometheus-headers-dir",
        "",
        "folder with one file per extra header, named as the header; empty for none",
    )
    parser.add_argument(
        "--prometheus-header",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="extra header that is no secret, such as X-Scope-OrgID=team-a; may be repeated",
    )


def add_flags_of_people(parser: argparse.ArgumentParser) -> None:
    """Add the flags in a group of their own; TOKENFLEET_<FLAG> in the environment sets each."""
    group = parser.add_argument_group(
        "Prometheus", "each can be set in the environment too, as TOKENFLEET_PROMETHEUS_URL"
    )

    def add(flag: str, default: str, text: str) -> None:
        variable = "TOKENFLEET_" + flag.strip("-").replace("-", "_").upper()
        value = os.environ.get(variable, default)
        group.add_argument(flag, default=value, metavar="VALUE", help=text)

    add_flags(add, group)
    parser.set_defaults(prometheus_settings=FLAGS)


def access(args: argparse.Namespace) -> Access | None:
    """Return what the flags say; None where there is no URL.

    Raises:
        ValueError: they contradict each other; the message names them.
    """
    if not args.prometheus_url:
        return None
    _check(args)
    certificate = _path(args.prometheus_client_cert_file)
    key = _path(args.prometheus_client_key_file)
    return Access(
        url=args.prometheus_url,
        timeout=QUERY_TIMEOUT,
        headers=_headers(args.prometheus_header),
        headers_folder=_path(args.prometheus_headers_dir),
        bearer_token_file=_path(args.prometheus_token_file),
        username=args.prometheus_username,
        password_file=_path(args.prometheus_password_file),
        ca_file=_path(args.prometheus_ca_file),
        client_certificate=(certificate, key) if certificate and key else None,
        settings=getattr(args, "prometheus_settings", VALUES),
    )


def _check(args: argparse.Namespace) -> None:
    wrong: Sequence[tuple[Any, str]] = (
        (
            not _ADDRESS.match(args.prometheus_url),
            f"--prometheus-url must begin with http:// or https://, not {args.prometheus_url[:80]}",
        ),
        (
            "@" in args.prometheus_url.partition("://")[2].partition("/")[0],
            "--prometheus-url must hold no credentials: use --prometheus-password-file",
        ),
        (
            not _usable(args.prometheus_url),
            f"--prometheus-url must name a host, no port above 65535: {args.prometheus_url[:80]}",
        ),
        (
            args.prometheus_token_file and args.prometheus_username,
            "--prometheus-token-file and --prometheus-username exclude each other",
        ),
        (
            bool(args.prometheus_username) != bool(args.prometheus_password_file),
            "--prometheus-username and --prometheus-password-file need each other",
        ),
        (
            bool(args.prometheus_client_cert_file) != bool(args.prometheus_client_key_file),
            "--prometheus-client-cert-file and --prometheus-client-key-file need each other",
        ),
    )
    for found, message in wrong:
        if found:
            raise ValueError(message)


def _usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and not _SPACE.search(url)
    except ValueError:  # a bracket without its other, or no port
        return False


def _headers(pairs: Sequence[str]) -> dict[str, str]:
    headers = {}
    for pair in pairs:
        if not _HEADER.fullmatch(pair):
            msg = f"--prometheus-header must be NAME=VALUE, not {pair[:80]!r}"
            raise ValueError(msg)
        name, _, value = pair.partition("=")
        if name.lower() == "authorization":
            msg = "--prometheus-header must not be Authorization: use --prometheus-token-file"
            raise ValueError(msg)
        headers[name] = value
    return headers


def _path(text: str) -> Path | None:
    return Path(text) if text else None


async def must_know(known: Access, now: datetime) -> None:
    """Ask whether a Prometheus knows the operator at all.

    Raises:
        NothingThereError: it does not.
        PortError: it does not answer, or refuses.
    """
    source = PrometheusSource(known)
    try:
        if not await source.query(KNOWN, at=now):
            raise NothingThereError(UNKNOWN)
    finally:
        source.close()
