"""`tokenfleet top`: who spends most now - users, features, request types or routes.

Users: this hour and the one before, as the operator last wrote them down. The others: the last hour
by Prometheus.
"""

import argparse
from datetime import datetime, timedelta
from typing import Any, Final

from tokenfleet.adapters.clock import SystemClock
from tokenfleet.cli.instants import positive
from tokenfleet.cli.spending import add_common_flags, answered, rows, written
from tokenfleet.domain.spending.user_history import hour_of

MOST: Final = 20
"""Rows that are shown unless more are asked for."""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser("top", help="say who spends most", description=__doc__)
    add_common_flags(parser)
    add = parser.add_argument
    add("--last", default="1h", help="how far to look back (default 1h); users: in whole hours")
    add("--most", type=int, default=MOST, help=f"rows to show (default {MOST})")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where nothing can be said."""
    return answered("top", args, _top)


async def _top(args: argparse.Namespace) -> str:
    start, end = span(args.by, SystemClock().now(), positive("--last", args.last))
    found = await rows(args, start, end)
    return written(found[: max(1, args.most)], args.by, args.output)


def span(by: str, now: datetime, last: timedelta) -> tuple[datetime, datetime]:
    """Return what to look at; users are known by hours, and the one that runs is one of them."""
    return (hour_of(now - last).start if by == "user" else now - last), now
