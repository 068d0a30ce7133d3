"""`tokenfleet costs`: what was spent from one time to another, by user, feature, type or route.

For users the costs are those of the time, from the operator's books: hours of the last two days,
whole days (UTC) of the last quarter. For the others they are tokens that Prometheus remembers, at
the prices that pools have now.
"""

import argparse
from typing import Any

from tokenfleet.adapters.clock import SystemClock
from tokenfleet.cli.examples import examples
from tokenfleet.cli.instants import instant
from tokenfleet.cli.spending import add_common_flags, rows, written
from tokenfleet.cli.target import answered


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "costs",
        help="report what was spent, as text, CSV or JSON",
        description=__doc__,
        **examples(
            ("--from 24h", "users of the last day"),
            ("--from 2026-03-01T00:00:00Z --to 2026-04-01T00:00:00Z -o csv", "a month"),
            ("--by feature --from 24h --prometheus-url URL", "features of the last day"),
        ),
    )
    add_common_flags(parser)
    parser.add_argument("--from", dest="start", required=True, metavar="TIME", help="first instant")
    parser.add_argument(
        "--to", dest="end", default="now", metavar="TIME", help="first instant after (default now)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where nothing can be said."""
    return answered("costs", lambda: _costs(args))


async def _costs(args: argparse.Namespace) -> int:
    now = SystemClock().now()
    start, end = instant("--from", args.start, now), instant("--to", args.end, now)
    if end <= start:
        msg = f"--to ({end.isoformat()}) must be after --from ({start.isoformat()})"
        raise ValueError(msg)
    print(written(await rows(args, start, end), args.by, args.output), end="")
    return 0
