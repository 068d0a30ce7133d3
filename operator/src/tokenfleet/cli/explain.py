"""`tokenfleet explain ROUTE`: why is the traffic where it is, and what comes next.

Reads the route, its objectives, its pools and the router's control memory with the rights of
whoever asks. No operator needs to run.
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from tokenfleet.adapters.clock import SystemClock
from tokenfleet.adapters.kubernetes import KubernetesCluster
from tokenfleet.cli.examples import examples
from tokenfleet.cli.faults import NothingThereError
from tokenfleet.cli.names import listed, route_of
from tokenfleet.cli.output import TEXT, add_output_flag, for_scripts
from tokenfleet.cli.target import add_target_flags, answered, namespace, opened
from tokenfleet.cli.terminal import harmless
from tokenfleet.domain.fleet.explanation import (
    Explanation,
    Rule,
    Seen,
    UnreadableRouteError,
    Vote,
    explain,
)
from tokenfleet.domain.fleet.route_status import router_of
from tokenfleet.domain.fleet.router_config import UnreadableConfigError, config_key, read
from tokenfleet.domain.slo.control.memory import RuleMemory
from tokenfleet.ports import Body, Cluster, RefusedError
from tokenfleet.reconcilers.resources import BY_KIND, POOLS, SLOS

INDENT: Final = "  "


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "explain",
        help="say why a route's traffic is where it is",
        description=__doc__,
        **examples(
            ("chat", "a ModelRoute of the namespace of the current context"),
            ("chat -n team-a -o json", "for a script"),
        ),
    )
    parser.set_defaults(run=run)
    parser.add_argument("route", help="name of a ModelRoute")
    add_output_flag(parser)
    add_target_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where there is nothing to explain or no right to look."""
    return answered("explain", lambda: _explained(args))


def text(found: Explanation) -> str:
    """Return an explanation for a terminal."""
    return "\n".join(map(harmless, _lines(found)))


async def look(cluster: KubernetesCluster, where: str, name: str) -> Seen:
    """Read everything about one route.

    Raises:
        NothingThereError: there is no such route.
        PortError: the cluster does not answer, or refuses.
    """
    route = await route_of(cluster, where, name)
    slos, pools = await listed(cluster, SLOS, POOLS)
    memory, hidden = await _memory(cluster, route)
    return Seen(
        route=route,
        slos=slos,
        pools={body["metadata"]["name"]: body for body in pools},
        memory=memory,
        hidden=hidden,
        now=SystemClock().now(),
    )


async def _explained(args: argparse.Namespace) -> int:
    async with opened(args) as cluster:
        seen = await look(cluster, namespace(args), args.route)
    try:
        found = explain(seen)
    except UnreadableRouteError as error:
        raise NothingThereError(str(error)) from error
    if args.output == TEXT:
        print(text(found))
    else:
        print(for_scripts(asdict(found), args.output), end="")
    return 0


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


def _counted(vote: Vote) -> str:
    if not vote.burn_rate:
        return "nothing measured"
    return f"{vote.bad} of {vote.total} bad, burn rate {vote.burn_rate}"


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
        numbers = vote.level or _counted(vote)
        yield f"{INDENT}{vote.slo} ({vote.action}): {vote.says}; data {vote.data}, {numbers}"
        if vote.shift_cost:
            yield f"{2 * INDENT}{vote.shift_cost}"
        if vote.shadow:
            yield f"{2 * INDENT}would have: {vote.shadow}"
    if not rule.votes:
        yield f"{INDENT}no TokenSLO is about this rule"
    for sentence in rule.next:
        yield f"{INDENT}next: {sentence}"
