"""The live view of `tokenfleet top`: routes, shares, first tokens, burn rates, pools, features.

On a terminal it is drawn again every few seconds until Ctrl-C; elsewhere it is printed once.
Shares and states come from the objects; rates and times from Prometheus, where `--prometheus-url`
is given.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from shutil import get_terminal_size
from typing import Final

from tokenfleet.adapters.clock import SystemClock
from tokenfleet.adapters.kubernetes import KubernetesCluster
from tokenfleet.adapters.prometheus.live import Live, live
from tokenfleet.adapters.prometheus.source import PrometheusSource
from tokenfleet.cli.faults import said
from tokenfleet.cli.instants import seconds_or_more
from tokenfleet.cli.live_tables import NO_METRICS, text
from tokenfleet.cli.output import FORMS, for_scripts
from tokenfleet.cli.prometheus import access
from tokenfleet.cli.spending import Asked, NothingToShowError, users
from tokenfleet.cli.spending import table as written_table
from tokenfleet.cli.target import ALL, look, namespace, opened
from tokenfleet.cli.terminal import (
    BAD,
    CLEAR,
    Cell,
    coloured,
    cut,
    painted,
)
from tokenfleet.domain.fleet.conditions import rfc3339
from tokenfleet.domain.spending.ranking import Row, ranked
from tokenfleet.domain.spending.user_history import hour_of
from tokenfleet.ports import PortError, RefusedError

USERS: Final = 5
"""Users that are shown: those who spent most in this hour."""

NOTHING_MEASURED: Final = (
    "This Prometheus knows no number of this fleet: is it the one that scrapes the operator and its"
    " routers?"
)


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing of the view."""

    lines: list[str]
    failed: str = ""
    """What did not answer, in a sentence: then numbers, or all of this, are not of now."""


async def watch(args: argparse.Namespace) -> int:
    """Draw the view once, or again and again on a terminal.

    Raises:
        NothingThereError: Tokenfleet is not installed.
        PortError: the cluster or Prometheus does not answer, or refuses.
        ValueError: the flags contradict each other.
    """
    if args.output == "csv":
        msg = "-o csv is of --by; the view as a whole is -o json or yaml"
        raise ValueError(msg)
    # Each look reads four lists and asks nine queries.
    every = seconds_or_more("--every", args.every)
    known = access(args)
    source = PrometheusSource(known) if known is not None else None
    try:
        async with opened(args) as cluster:
            if args.output in FORMS:
                return await _for_scripts(cluster, source, args)
            if args.once or not sys.stdout.isatty():
                return await _once(cluster, source, args)
            return await _again(cluster, source, args, every)
    finally:
        if source is not None:
            source.close()


async def _once(
    cluster: KubernetesCluster, source: PrometheusSource | None, args: argparse.Namespace
) -> int:
    drawn = await _drawn(cluster, source, args)
    print("\n".join(drawn.lines))
    if drawn.failed:
        print(f"tokenfleet top: {drawn.failed}", file=sys.stderr)
    return 1 if drawn.failed else 0


async def _for_scripts(
    cluster: KubernetesCluster, source: PrometheusSource | None, args: argparse.Namespace
) -> int:
    view, now = await look(cluster), SystemClock().now()
    numbers = await live(source, namespace(args), at=now) if source is not None else Live()
    found = {"at": rfc3339(now), **asdict(view), "numbers": numbers.rows()}
    print(for_scripts(found, args.output), end="")
    return 0


async def _again(
    cluster: KubernetesCluster,
    source: PrometheusSource | None,
    args: argparse.Namespace,
    every: timedelta,
) -> int:
    """Draw until Ctrl-C; what does not answer for a while is told below what is known."""
    drawn = await _drawn(cluster, source, args)
    clear = CLEAR if os.environ.get("TERM") != "dumb" else "\n"
    while True:
        failed = [painted(Cell(drawn.failed, BAD), colour=coloured(sys.stdout))]
        lines = [*(failed if drawn.failed else []), *drawn.lines]
        print(clear + "\n".join(fitting(lines, get_terminal_size())), flush=True)
        await asyncio.sleep(every.total_seconds())
        try:
            drawn = await _drawn(cluster, source, args)
        except PortError as error:
            drawn = Drawing(drawn.lines, failed=f"Not of now: {said(error)}")


def fitting(lines: Sequence[str], size: os.terminal_size) -> list[str]:
    """Return what a terminal can show: no line wraps, and the first one stays on it."""
    shown = [cut(line, size.columns) for line in lines]
    if len(shown) < size.lines:
        return shown
    left = f"... {len(shown) - size.lines + 2} more lines: make the window higher, or use -n"
    return [*shown[: max(1, size.lines - 2)], cut(left, size.columns)]


async def _drawn(
    cluster: KubernetesCluster, source: PrometheusSource | None, args: argparse.Namespace
) -> Drawing:
    view, now, where = await look(cluster), SystemClock().now(), namespace(args)
    failed, numbers = "", None
    if source is not None:
        try:
            numbers = await live(source, where, at=now)
        except PortError as error:
            failed = f"rates and times are not known: {said(error)}"
    nothing = NOTHING_MEASURED if numbers == Live() and view.routes else ""
    trouble = NO_METRICS if source is None else nothing
    lines = [*text(view, numbers, now, trouble, colour=coloured(sys.stdout))]
    if where != ALL and (dearest := await _users(cluster, where, now)):
        lines += ["", *written_table(dearest, "user")]
    return Drawing(lines, failed)


async def _users(cluster: KubernetesCluster, where: str, now: datetime) -> tuple[Row, ...]:
    """Return who spent most in this hour, as the operator last wrote it down; nobody: not told."""
    asked = Asked(by="user", namespace=where, route="", start=hour_of(now).start, end=now)
    with suppress(NothingToShowError, RefusedError):
        return ranked(await users(cluster, asked))[:USERS]
    return ()
