"""`tokenfleet top`: the fleet live; with `--by`, who spends most now.

`--by user`: this hour and the one before, as the operator last wrote them down. `--by feature`,
`type` or `route`: the last hour by Prometheus.
"""

import argparse
import re
from datetime import datetime, timedelta
from typing import Any, Final

from tokenfleet.adapters.clock import SystemClock
from tokenfleet.cli.examples import examples
from tokenfleet.cli.instants import positive
from tokenfleet.cli.live import watch
from tokenfleet.cli.spending import add_common_flags, rows, written
from tokenfleet.cli.target import answered
from tokenfleet.domain.spending.user_history import hour_of

HOUR: Final = "1h"
"""How far is looked back unless more is asked for."""

MOST: Final = 20
"""Rows that are shown unless more are asked for."""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "top",
        help="watch the fleet live, or say who spends most",
        description="Watch routes, shares, times to first token, burn rates, pools, and the top"
        " users and features, drawn again every few seconds until Ctrl-C. With --by, print who"
        " spends most.",
        **examples(
            ("", "the fleet, live"),
            ("-A --prometheus-url http://localhost:9090", "with rates and times"),
            ("--by user", "who spends most in this hour and the last"),
            ("--by feature --last 24h --prometheus-url URL", "features in a day"),
        ),
    )
    add_common_flags(parser, everywhere=True)
    parser.set_defaults(by="")
    add = parser.add_argument
    add("--last", help="with --by: how far to look back (default 1h); users: in whole hours")
    add("--most", type=count, help=f"with --by: rows to show (default {MOST})")
    add("--every", default="5s", metavar="TIME", help="time between two looks (default 5s)")
    add("--once", action="store_true", help="look once, on a terminal too")
    parser.set_defaults(run=run)


def count(text: str) -> int:
    """Read a number of rows; argparse words the refusal.

    Raises:
        argparse.ArgumentTypeError: it is none above 0.
    """
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        msg = f"must be a whole number from 1 to 999999, not {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where nothing can be said."""
    return answered("top", lambda: _top(args) if args.by else _watch(args))


async def _watch(args: argparse.Namespace) -> int:
    """Show the fleet; what only --by looks at must not seem to count.

    Raises:
        ValueError: a flag of --by is there without it.
    """
    flags = {"--route": args.route, "--last": args.last, "--most": args.most}
    if given := ", ".join(flag for flag, value in flags.items() if value):
        msg = f"{given} needs --by: the view of the fleet is of all routes, and of now"
        raise ValueError(msg)
    return await watch(args)


async def _top(args: argparse.Namespace) -> int:
    start, end = span(args.by, SystemClock().now(), positive("--last", args.last or HOUR))
    found = await rows(args, start, end)
    print(written(found[: args.most or MOST], args.by, args.output), end="")
    return 0


def span(by: str, now: datetime, last: timedelta) -> tuple[datetime, datetime]:
    """Return what to look at; users are known by hours, and the one that runs is one of them."""
    return (hour_of(now - last).start if by == "user" else now - last), now
