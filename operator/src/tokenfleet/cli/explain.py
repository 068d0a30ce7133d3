"""`tokenfleet explain ROUTE`: why is the traffic where it is, and what comes next.

Reads the route, its objectives, its pools and the router's control memory with the rights of
whoever asks. No operator needs to run.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from tokenfleet.adapters.clock import SystemClock
from tokenfleet.adapters.kubernetes.kubeconfig import UnconfiguredError
from tokenfleet.cli.target import NOT_INSTALLED, add_target_flags, namespace, opened
from tokenfleet.domain.fleet.explanation import (
    Explanation,
    Rule,
    Seen,
    UnreadableRouteError,
    explain,
)
from tokenfleet.domain.fleet.route_status import router_of
from tokenfleet.domain.fleet.router_config import UnreadableConfigError, config_key, read
from tokenfleet.domain.slo.control.memory import RuleMemory
from tokenfleet.ports import Body, Cluster, NotFoundError, PortError, RefusedError
from tokenfleet.reconcilers.resources import BY_KIND, POOLS, ROUTES, SLOS

INDENT: Final = "  "


class NothingToExplainError(Exception):
    """What was asked for is not there; the message says what is."""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "explain", help="say why a route's traffic is where it is", description=__doc__
    )
    parser.set_defaults(run=run)
    parser.add_argument("route", help="name of a ModelRoute")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    add_target_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where there is nothing to explain or no right to look."""
    try:
        found = asyncio.run(_explained(args))
    except (NothingToExplainError, UnconfiguredError, UnreadableRouteError) as error:
        return _failed(str(error))
    except RefusedError as error:
        return _failed(f"the cluster refuses: {error}")
    except PortError as error:
        return _failed(f"the cluster does not answer: {error}")
    print(json.dumps(asdict(found), indent=2) if args.output == "json" else text(found))
    return 0


def text(found: Explanation) -> str:
    """Return an explanation for a terminal."""
    return "\n".join(_lines(found))


async def look(cluster: Cluster, where: str, name: str) -> Seen:
    """Read everything about one route.

    Raises:
        NothingToExplainError: there is no such route.
        PortError: the cluster does not answer, or refuses.
    """
    try:
        routes = {body["metadata"]["name"]: body for body in await cluster.list(ROUTES)}
        slos = await cluster.list(SLOS)
        pools = {body["metadata"]["name"]: body for body in await cluster.list(POOLS)}
    except NotFoundError as error:
        raise NothingToExplainError(NOT_INSTALLED) from error
    if name not in routes:
        there = f"there are {', '.join(sorted(routes))}" if routes else "there is none"
        msg = f"no ModelRoute {name} in namespace {where}; {there}"
        raise NothingToExplainError(msg)
    memory, hidden = await _memory(cluster, routes[name])
    return Seen(
        route=routes[name],
        slos=slos,
        pools=pools,
        memory=memory,
        hidden=hidden,
        now=SystemClock().now(),
    )


async def _explained(args: argparse.Namespace) -> Explanation:
    async with opened(args) as cluster:
        return explain(await look(cluster, namespace(args), args.route))


async def _memory(cluster: Cluster, route: Body) -> tuple[dict[str, RuleMemory] | None, str]:
    """Return the control memory of the route's first router, or why it cannot be read."""
    router = router_of(route["spec"]["parentRefs"][0], route)
    key = config_key(router.namespace, router.name)
    try:
        stored = await cluster.get(BY_KIND[key.kind], key.namespace, key.name)
        if stored is None:
            return None, f"there is no {key} yet"
        return dict(read(stored.get("data", {})).memory), ""
    except RefusedError:
        return None, f"you have no right to read {key}"
    except UnreadableConfigError as error:
        return None, f"{key}: {error}"


def _lines(found: Explanation) -> Iterator[str]:
    yield f"ModelRoute {found.namespace}/{found.route}   models {', '.join(found.models)}"
    yield f"{INDENT}control {found.control}"
    if found.trouble:
        yield f"{INDENT}not ready: {found.trouble}"
    for stage in found.stages:
        took = f"p50 {stage.p50}, p99 {stage.p99}" if stage.p99 else "not known yet"
        yield f"{INDENT}{stage.stage}: {took} of {stage.budget}"
    for rule in found.rules:
        yield ""
        yield from (f"{INDENT}{line}" for line in _rule(rule))


def _rule(rule: Rule) -> Iterator[str]:
    since = f" since {rule.since}" if rule.since else ""
    yield f"rule {rule.name}: {rule.reason}{since}"
    for pool in rule.pools:
        ready = f"{pool.ready}/{pool.replicas} ready"
        trouble = f"   {pool.trouble}" if pool.trouble else ""
        role = f"{pool.role}, adapter {pool.adapter}" if pool.adapter else pool.role
        yield f"{INDENT}{pool.share / 10:5g} %  {pool.name} ({role}, {ready}){trouble}"
    if rule.last_decision:
        yield f"{INDENT}last decision: {rule.last_decision}"
    for vote in rule.votes:
        numbers = vote.level or f"{vote.bad} of {vote.total} bad, burn rate {vote.burn_rate}"
        yield f"{INDENT}{vote.slo} ({vote.action}): {vote.says}; data {vote.data}, {numbers}"
        if vote.shift_cost:
            yield f"{2 * INDENT}{vote.shift_cost}"
        if vote.shadow:
            yield f"{2 * INDENT}would have: {vote.shadow}"
    if not rule.votes:
        yield f"{INDENT}no TokenSLO is about this rule"
    for sentence in rule.next:
        yield f"{INDENT}next: {sentence}"


def _failed(message: str) -> int:
    print(f"tokenfleet explain: {message}", file=sys.stderr)
    return 1
