"""`tokenfleet backtest`: the control loop on what Prometheus remembers."""

import argparse
import asyncio
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from tokenfleet.adapters.clock import SystemClock
from tokenfleet.adapters.drawing import DrawingError, check
from tokenfleet.adapters.prometheus.access import Access
from tokenfleet.adapters.prometheus.source import PrometheusSource
from tokenfleet.backtest import report
from tokenfleet.backtest.history import MAX_POINTS, Span
from tokenfleet.backtest.plot import draw
from tokenfleet.backtest.run import Plan, Progress, Result, backtest
from tokenfleet.cli.inputs import read_objects
from tokenfleet.cli.instants import instant, positive
from tokenfleet.cli.labels import label
from tokenfleet.cli.output import TEXT, add_output_flag, for_scripts
from tokenfleet.cli.progress import add_flag, progress
from tokenfleet.cli.prometheus import access, add_flags_of_people
from tokenfleet.cli.terminal import harmless
from tokenfleet.domain.fleet.documents import UnfitError
from tokenfleet.domain.fleet.subject import Subject, subjects_of
from tokenfleet.ports import PortError

EPILOG: Final = """\
times are RFC 3339 (2026-11-20T08:00:00Z), `now`, or a duration before now (168h).

exit status: 0 the backtest is complete; 1 Prometheus did not answer; 2 bad input.

example:
  tokenfleet backtest -f slo.yaml --prometheus-url http://localhost:9090 --from 24h --plot day.svg
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "backtest",
        help="replay the control loop on recorded metrics",
        description="Asks Prometheus the queries of the live tick about the past, and replays the"
        " operator's own control loop on the answers. What it would have decided is exact; what"
        " that would have changed is an estimate, and is labelled as one. Reads only.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "-f",
        "--file",
        required=True,
        action="append",
        help="TokenSLOs with their ModelRoutes and ServingPools: a YAML file, a folder of them, or"
        " `-` for standard input; repeatable",
    )
    add("-n", "--namespace", default="default", help="of objects without one (default: default)")
    add("--from", dest="start", required=True, metavar="TIME", help="first tick")
    add("--to", dest="end", default="now", metavar="TIME", help="last tick (default now)")
    add("--tick", default="15s", help="time between decisions (default 15s)")
    add("--scrape-interval", default="15s", help="of the routers (default 15s)")
    add("--chunk", default="6h", help="longest time per query (default 6h)")
    add("--timeout", default="60s", help="longest wait for one answer (default 60s)")
    add(
        "--sensitivity",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also replay under other limits, windows and minimum events (default)",
    )
    add_output_flag(parser)
    add(
        "--plot",
        type=Path,
        metavar="FILE",
        help="also draw shares and bad fractions over time; .svg, .png or .pdf",
    )
    add_flags_of_people(parser)
    add_flag(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    try:
        plan, found, known = _input(args, SystemClock().now())
    except (ValueError, DrawingError) as error:
        return _refused(error, 2)
    try:
        with progress(args) as shown:
            result = asyncio.run(_run(known, found, plan, shown))
    except UnfitError as error:
        return _refused(error, 2)
    except PortError as error:
        return _refused(error, 1)
    if args.plot:
        try:
            draw(result).write(args.plot)
        except OSError as error:
            return _refused(error, 2)
    if args.output == TEXT:
        print(report.text(result))
    else:
        print(for_scripts(report.document(result), args.output), end="")
    return 0


async def _run(known: Access, found: tuple[Subject, ...], plan: Plan, shown: Progress) -> Result:
    source = PrometheusSource(known)
    try:
        return await backtest(source, found, plan, shown)
    finally:
        source.close()


def _input(args: argparse.Namespace, now: datetime) -> tuple[Plan, tuple[Subject, ...], Access]:
    """Read everything that the user gave.

    Raises:
        ValueError: something is wrong with it; the message says what.
        DrawingError: a picture cannot be written in the format that was asked for.
    """
    step = positive("--tick", args.tick)
    start, end = instant("--from", args.start, now), instant("--to", args.end, now)
    if end <= start:
        msg = f"--to ({end.isoformat()}) must be after --from ({start.isoformat()})"
        raise ValueError(msg)
    chunk = positive("--chunk", args.chunk)
    plan = Plan(
        span=Span(start=start, step=step, count=int((end - start) / step) + 1),
        scrape_interval=positive("--scrape-interval", args.scrape_interval),
        chunk=max(1, min(MAX_POINTS, int(chunk / step))),
        sensitivity=args.sensitivity,
    )
    if args.plot:
        check(args.plot)
    known = access(args)
    if known is None:
        msg = "--prometheus-url must be given: the address of Prometheus, as http://localhost:9090"
        raise ValueError(msg)
    timeout = positive("--timeout", args.timeout)
    where = label("--namespace", args.namespace)
    found = subjects_of(read_objects(args.file), namespace=where)
    return plan, found, replace(known, timeout=timeout)


def _refused(error: Exception, status: int) -> int:
    print(f"tokenfleet backtest: {harmless(str(error))}", file=sys.stderr)
    return status
