"""`tokenfleet pin`: fix the shares of a rule for a while, whatever TokenSLOs say."""

import argparse
from datetime import datetime
from typing import Any

from tokenfleet.adapters.clock import SystemClock
from tokenfleet.cli.control import add_change_flags, change, spoken
from tokenfleet.cli.examples import examples
from tokenfleet.cli.instants import moment, seconds_or_more
from tokenfleet.cli.names import route_of
from tokenfleet.cli.target import answered, namespace, opened
from tokenfleet.cli.terminal import length
from tokenfleet.domain.console.traffic_control import pin, rule_of


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "pin",
        help="fix the shares of a rule for a while",
        description="Fix the shares of one rule of a ModelRoute, by writing its"
        " spec.trafficControl. TokenSLOs have no vote on the rule until the pin ends; then shares"
        " return in steps.",
        **examples(
            ("chat small=100", "all traffic of the only rule to pool small, for an hour"),
            ("chat large=30 small=70 --rule slow --for 4h", "shares of one rule"),
            ("chat small=100 --dry-run", "print what to commit instead"),
        ),
    )
    parser.add_argument("route", help="name of a ModelRoute")
    parser.add_argument("shares", nargs="+", metavar="POOL=WEIGHT", help="weights, 0 to 1000")
    parser.add_argument("--rule", default="", help="default: the route's only rule")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--for", dest="lasting", default="1h", metavar="TIME", help="default: 1h")
    when.add_argument("--until", default="", metavar="TIME", help="RFC 3339: 2026-03-01T18:00:00Z")
    add_change_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where nothing was written."""
    return answered("pin", lambda: _pin(args))


async def _pin(args: argparse.Namespace) -> int:
    weights, now = weights_of(args.shares), SystemClock().now()
    until = until_of(args, now)
    async with opened(args) as cluster:
        route = await route_of(cluster, namespace(args), args.route)
        wanted = pin(route, args.rule, weights, until)
        rule = rule_of(route, args.rule)["name"]
        pins = [one for one in wanted.control["pinned"]["rules"] if one["name"] == rule]
        lasting = length(until - now)
        return await change(
            cluster,
            [(route, wanted)],
            args,
            question=f"ModelRoute {wanted.namespace}/{wanted.name}, for {lasting}:\n"
            f"{spoken(pins)}\nTokenSLOs have no vote on it until then. Pin it?",
            done=f"pinned until {wanted.control['pinned']['until']}",
        )


def weights_of(pairs: list[str]) -> dict[str, int]:
    """Read `POOL=WEIGHT` pairs.

    Raises:
        ValueError: one is not of that form, or a pool is named twice.
    """
    weights: dict[str, int] = {}
    for pair in pairs:
        name, _, weight = pair.partition("=")
        digits = weight.strip().removesuffix("%").strip()
        if not name or not digits.isdecimal():
            msg = f"a share is POOL=WEIGHT with a whole number, such as small=100, not {pair!r}"
            raise ValueError(msg)
        if name in weights:
            msg = f"pool {name} is named twice"
            raise ValueError(msg)
        weights[name] = int(digits)
    return weights


def until_of(args: argparse.Namespace, now: datetime) -> datetime:
    """Return when the pin ends, in whole seconds.

    Raises:
        ValueError: it is no time, or past.
    """
    if not args.until:
        return (now + seconds_or_more("--for", args.lasting)).replace(microsecond=0)
    until = moment(args.until)
    if until is None:
        msg = (
            f"--until must be a time with its zone such as 2026-03-01T18:00:00Z, not {args.until!r}"
        )
        raise ValueError(msg)
    if until <= now:
        msg = f"--until must lie ahead; it is {now:%Y-%m-%dT%H:%M:%SZ}"
        raise ValueError(msg)
    return until.replace(microsecond=0)
