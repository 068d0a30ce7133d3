"""`tokenfleet unpin`: end a pin or a stop; TokenSLOs decide shares again."""

import argparse
from typing import Any

from tokenfleet.cli.control import add_change_flags, change
from tokenfleet.cli.examples import examples
from tokenfleet.cli.names import route_of
from tokenfleet.cli.target import answered, namespace, opened
from tokenfleet.domain.console.traffic_control import unpin


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "unpin",
        help="end a pin or a stop",
        description="End a pin or a stop of a ModelRoute: spec.trafficControl.type becomes Auto,"
        " shares return in steps to the weights as written, and TokenSLOs may move them again.",
        **examples(
            ("chat", "all rules of the route"),
            ("chat --rule slow", "one rule; pins of the others stay"),
        ),
    )
    parser.add_argument("route", help="name of a ModelRoute")
    parser.add_argument("--rule", default="", help="only this rule's pin")
    add_change_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where nothing was written."""
    return answered("unpin", lambda: _unpin(args))


async def _unpin(args: argparse.Namespace) -> int:
    async with opened(args) as cluster:
        route = await route_of(cluster, namespace(args), args.route)
        wanted = unpin(route, args.rule)
        what = f"rule {args.rule}" if args.rule else "all rules"
        return await change(
            cluster,
            [(route, wanted)],
            args,
            question=f"ModelRoute {wanted.namespace}/{wanted.name}, {what}: shares return in steps,"
            " and TokenSLOs decide again. Go on?",
            done="unpinned",
        )
