"""`tokenfleet status`: the fleet at a glance, and what somebody should look at."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from tokenfleet.adapters.clock import SystemClock
from tokenfleet.cli.examples import examples
from tokenfleet.cli.output import TEXT, add_output_flag, for_scripts
from tokenfleet.cli.target import add_target_flags, answered, look, opened
from tokenfleet.cli.terminal import (
    BAD,
    BOLD,
    DIM,
    GOOD,
    PLAIN,
    UNKNOWN,
    WARN,
    Cell,
    age,
    coloured,
    painted,
    table,
)
from tokenfleet.domain.console.fleet_view import FleetView, Flow, PoolView, troubles
from tokenfleet.domain.fleet.stored_conditions import UNSEEN

EMPTY: Final = (
    "There is no fleet here: no ModelRouter, ServingPool, ModelRoute or TokenSLO; -A looks further."
)

VERDICTS: Final = {"met": GOOD, "missed": BAD, "unknown": WARN, "none": DIM}


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "status",
        help="show the fleet at a glance",
        description="Show every route with its shares, every objective with its budget, every pool,"
        " and what somebody should look at. Reads objects with your own rights; no operator needs"
        " to run.",
        **examples(
            ("", "the namespace of the current context"),
            ("-A", "all namespaces"),
            ("-o json", "for a script"),
        ),
    )
    add_output_flag(parser)
    add_target_flags(parser, everywhere=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where the fleet cannot be read."""
    return answered("status", lambda: _status(args))


async def _status(args: argparse.Namespace) -> int:
    async with opened(args) as cluster:
        view = await look(cluster)
    if args.output == TEXT:
        print("\n".join(text(view, SystemClock().now(), colour=coloured(sys.stdout))))
    else:
        print(for_scripts(asdict(view), args.output), end="")
    return 0


def text(view: FleetView, now: datetime, *, colour: bool) -> Iterator[str]:
    """Yield the lines for a terminal."""
    if view == FleetView(routers=(), routes=(), pools=(), objectives=()):
        yield EMPTY
        return
    yield from routes(view, now, colour=colour)
    yield ""
    yield from objectives(view, colour=colour)
    yield ""
    yield from pools(view, colour=colour)
    yield ""
    yield from _routers(view, colour=colour)
    found = troubles(view)
    yield ""
    if not found:
        yield painted(Cell("Nothing to look at.", GOOD), colour=colour)
        return
    yield painted(Cell("Look at:", BOLD), colour=colour)
    yield from (f"  {painted(Cell('!', BAD), colour=colour)} {sentence}" for sentence in found)


def routes(view: FleetView, now: datetime, *, colour: bool) -> list[str]:
    """Return the table of rules."""
    return table(
        ("ROUTE", "RULE", "TRAFFIC", "WHY", "SINCE", "OBJECTIVES"),
        (
            (
                f"{route.namespace}/{route.name}",
                rule.name,
                shares(rule.flows),
                Cell(rule.reason, PLAIN if rule.reason == "AsWritten" else WARN),
                age(rule.since, now),
                Cell(rule.verdict, VERDICTS[rule.verdict]),
            )
            for route in view.routes
            for rule in route.rules
        ),
        colour=colour,
    )


def shares(flows: Iterable[Flow]) -> str:
    """Return shares in one line; pools that get nothing are left out."""
    told = [f"{flow.pool} {flow.share / 10:g} %" for flow in flows if flow.share]
    return ", ".join(told) or "not known yet"


def objectives(view: FleetView, *, colour: bool) -> list[str]:
    """Return the table of objectives."""
    return table(
        ("OBJECTIVE", "ABOUT", "PROMISE", "ACTION", "NOW", "BURN", "P99", "BUDGET LEFT", "DATA"),
        (
            (
                f"{slo.namespace}/{slo.name}",
                f"{slo.route}/{slo.rule}" if slo.rule else slo.route,
                slo.promise,
                slo.action,
                Cell(slo.verdict, VERDICTS[slo.verdict]),
                slo.burn_rate or UNKNOWN,
                slo.p99 or slo.value or UNKNOWN,
                _left(slo.budget_remaining),
                Cell(slo.data, PLAIN if slo.data == "OK" else WARN),
            )
            for slo in view.objectives
        ),
        colour=colour,
    )


def _left(remaining: str) -> Cell:
    try:
        part = float(remaining)
    except ValueError:
        return Cell(UNKNOWN)
    return Cell(f"{part:.0%}", BAD if part <= 0 else PLAIN)


def pools(view: FleetView, *, colour: bool) -> list[str]:
    """Return the table of pools."""
    return table(
        ("POOL", "TYPE", "READY", "TROUBLE"),
        (
            (
                f"{pool.namespace}/{pool.name}",
                pool.type,
                replicas(pool),
                pool.trouble,
            )
            for pool in view.pools
        ),
        colour=colour,
    )


def replicas(pool: PoolView) -> Cell:
    """Return ready replicas of all; nothing is known before an operator has looked."""
    if pool.trouble == UNSEEN:
        return Cell(UNKNOWN)
    return Cell(f"{pool.ready}/{pool.replicas}", PLAIN if pool.ready else BAD)


def _routers(view: FleetView, *, colour: bool) -> list[str]:
    return table(
        ("ROUTER", "REVISION", "ACKNOWLEDGED", "TROUBLE"),
        (
            (
                f"{one.namespace}/{one.name}",
                str(one.revision or UNKNOWN),
                one.acknowledged or UNKNOWN,
                one.trouble,
            )
            for one in view.routers
        ),
        colour=colour,
    )
