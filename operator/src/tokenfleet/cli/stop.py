"""`tokenfleet stop`: take shares back to the weights as written, and let nothing move them."""

import argparse
from typing import Any

from tokenfleet.cli.control import add_change_flags, change
from tokenfleet.cli.examples import examples
from tokenfleet.cli.faults import NothingThereError
from tokenfleet.cli.names import listed, route_of
from tokenfleet.cli.target import answered, namespace, opened
from tokenfleet.domain.console.traffic_control import stop
from tokenfleet.reconcilers.resources import ROUTES

OPERATOR = """\
for the whole operator:
  helm upgrade RELEASE CHART --namespace NAMESPACE --reset-then-reuse-values \\
    --set trafficShifting.enabled=false"""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "stop",
        help="let nothing move the traffic of a route",
        description="The emergency stop of a route: spec.trafficControl.type becomes Disabled,"
        " shares step back to the weights as written, and no TokenSLO moves them. Requests go on"
        " failing over. `unpin` ends it.",
        **examples(
            ("chat", "one route"),
            ("--all", "every route of the namespace"),
            ("--all --dry-run", "print what to commit instead"),
        ),
    )
    parser.add_argument("route", nargs="*", help="names of ModelRoutes")
    parser.add_argument("--all", action="store_true", help="every ModelRoute of the namespace")
    parser.epilog += f"\n\n{OPERATOR}"
    add_change_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where nothing was written."""
    return answered("stop", lambda: _stop(args))


async def _stop(args: argparse.Namespace) -> int:
    if bool(args.route) == args.all:
        msg = "name ModelRoutes, or all of them with --all"
        raise ValueError(msg)
    async with opened(args) as cluster:
        where = namespace(args)
        if args.all:
            (found,) = await listed(cluster, ROUTES)
            routes = list(found)
        else:
            routes = [await route_of(cluster, where, name) for name in args.route]
        if not routes:
            msg = f"there is no ModelRoute in namespace {where}"
            raise NothingThereError(msg)
        names = ", ".join(body["metadata"]["name"] for body in routes)
        return await change(
            cluster,
            [(body, stop(body)) for body in routes],
            args,
            question=f"ModelRoutes of {where}: {names}. Their shares step back to the weights as"
            " written, and no TokenSLO moves them. Stop them?",
            done="stopped",
        )
