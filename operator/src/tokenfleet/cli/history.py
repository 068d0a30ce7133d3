"""`tokenfleet history`: the decisions of the control loop over time, with their reasons.

Events tell of the last hour or so in full; where `--prometheus-url` is given, the operator's
counter tells of everything before.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from tokenfleet.adapters.clock import SystemClock
from tokenfleet.adapters.prometheus.source import PrometheusSource
from tokenfleet.adapters.prometheus.timeline import decisions
from tokenfleet.cli.examples import examples
from tokenfleet.cli.faults import NothingThereError
from tokenfleet.cli.instants import positive
from tokenfleet.cli.names import absent, listed, plain
from tokenfleet.cli.output import TEXT, add_output_flag, for_scripts
from tokenfleet.cli.prometheus import access, add_flags_of_people, must_know
from tokenfleet.cli.target import add_target_flags, answered, namespace, opened
from tokenfleet.cli.terminal import DIM, WARN, Cell, age, coloured, table
from tokenfleet.domain.console.decisions import DecisionView, together, told
from tokenfleet.domain.console.timeline import step_of
from tokenfleet.domain.fleet.conditions import rfc3339
from tokenfleet.reconcilers.resources import EVENTS, ROUTES


def add_parser(subparsers: Any) -> None:
    """Add the sub-command; flags for Prometheus can be set as TOKENFLEET_<FLAG>, too."""
    parser = subparsers.add_parser(
        "history",
        help="show decisions with their reasons over time",
        description=__doc__,
        **examples(
            ("", "the last hour of the namespace"),
            ("chat --last 6h", "one route"),
            (
                "--last 168h --prometheus-url http://localhost:9090",
                "further back than Events",
            ),
        ),
    )
    parser.add_argument("route", nargs="?", default="", help="one ModelRoute; default: all")
    parser.add_argument("--last", default="1h", metavar="TIME", help="how far back (default 1h)")
    add_output_flag(parser)
    add_target_flags(parser, everywhere=True)
    add_flags_of_people(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where nothing can be said."""
    return answered("history", lambda: _history(args))


async def _history(args: argparse.Namespace) -> int:
    now, last = SystemClock().now(), positive("--last", args.last)
    start = now - last
    route = plain(args.route)
    async with opened(args) as cluster:
        spoken = [one for one in told(await cluster.list(EVENTS)) if one.at >= start]
    counts = await _counts(args, start, now)
    found = [one for one in together(spoken, counts, step_of(last)) if route in ("", one.route)]
    if not found:
        await _explain_none(args, now)
    if args.output == TEXT:
        print("\n".join(text(found, now, args.last, colour=coloured(sys.stdout))))
    else:
        rows = [{**asdict(one), "at": rfc3339(one.at)} for one in found]
        print(for_scripts(rows, args.output), end="")
    return 0


async def _explain_none(args: argparse.Namespace, now: datetime) -> None:
    """Tell "nothing was decided" from a name that is wrong, and from nobody who decides.

    Raises:
        NothingThereError: there is no such route, no CRD, or Prometheus does not know Tokenfleet.
        PortError: the cluster or Prometheus does not answer, or refuses.
    """
    where = namespace(args)
    async with opened(args) as cluster:
        (routes,) = await listed(cluster, ROUTES)
        name = plain(args.route)
        if name and all(body["metadata"]["name"] != name for body in routes):
            raise NothingThereError(await absent(cluster, where, name, routes))
    known = access(args)
    if known is not None:
        await must_know(known, now)


async def _counts(
    args: argparse.Namespace, start: datetime, end: datetime
) -> tuple[DecisionView, ...]:
    known = access(args)
    if known is None:
        return ()
    source = PrometheusSource(known)
    try:
        return await decisions(source, namespace(args), plain(args.route), start=start, end=end)
    finally:
        source.close()


def text(found: Sequence[DecisionView], now: datetime, last: str, *, colour: bool) -> Iterator[str]:
    """Yield the lines for a terminal, oldest first."""
    if not found:
        yield (
            f"No decision in the last {last}. Events last about an hour; --prometheus-url looks"
            " further back."
        )
        return
    yield from table(
        ("AGE", "TIME", "ROUTE", "DECISION", "REASON"),
        (
            (
                age(rfc3339(one.at), now),
                f"{one.at:%Y-%m-%d %H:%M:%S}",
                f"{one.namespace}/{one.route}",
                Cell(one.reason, WARN if one.alarming else ""),
                Cell(one.note, "" if one.told else DIM),
            )
            for one in found
        ),
        colour=colour,
    )
