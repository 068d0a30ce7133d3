"""What `pin`, `unpin` and `stop` share: show a change, ask, and write the user's own spec."""

import argparse
import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tokenfleet.adapters.kubernetes import KubernetesCluster
from tokenfleet.api.conventions import GROUP, VERSION
from tokenfleet.cli.plain_yaml import plain_yaml
from tokenfleet.cli.target import add_target_flags
from tokenfleet.cli.terminal import ask
from tokenfleet.domain.console.fleet_view import Body
from tokenfleet.domain.console.traffic_control import Change, owner_of
from tokenfleet.reconcilers.resources import ROUTES

MANAGER: Final = "kubectl-tokenfleet"
"""Field manager of what is written here."""

API_VERSION: Final = f"{GROUP}/{VERSION}"


def add_change_flags(parser: Any) -> None:
    """Add the flags of commands that write."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="write nothing; print the manifest for git, and the command for kubectl",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    add_target_flags(parser)


async def change(
    cluster: KubernetesCluster,
    pairs: Sequence[tuple[Body, Change]],
    args: argparse.Namespace,
    *,
    question: str,
    done: str,
) -> int:
    """Let the API server judge changes, show or ask, then write them.

    Args:
        cluster: where.
        pairs: each route as it was read, and its change.
        args: the flags.
        question: what a person is asked.
        done: what is said of each written route.

    Raises:
        Refused: a person said no, or cannot be asked.
        PortError: the cluster does not answer, or refuses.
    """
    for _, one in pairs:
        await _written(cluster, one, dry=True)
    if args.dry_run:
        print("---\n".join(_for_git(one) for _, one in pairs), end="")
        return 0
    for warning in dict.fromkeys(_undone_by(route) for route, _ in pairs):
        if warning:
            print(warning, file=sys.stderr)
    ask(question, yes=args.yes)
    for _, one in pairs:
        await _written(cluster, one, dry=False)
        print(f"modelroute/{one.name} {done}")
    return 0


def spoken(rules: Iterable[Body]) -> str:
    """Return pins in words, one line each."""
    lines = []
    for rule in rules:
        total = sum(pool["weight"] for pool in rule["pools"]) or 1
        parts = [f"{p['name']} {100 * p['weight'] / total:g} %" for p in rule["pools"]]
        lines.append(f"  rule {rule['name']}: {', '.join(parts)}")
    return "\n".join(lines)


async def _written(cluster: KubernetesCluster, change: Change, *, dry: bool) -> None:
    place = (change.namespace, change.name)
    await cluster.merge(ROUTES, place, change.patch, manager=MANAGER, dry=dry)


def _for_git(change: Change) -> str:
    patch = json.dumps({"spec": {"trafficControl": dict(change.control)}})
    command = f"kubectl patch modelroute {change.name} -n {change.namespace} --type=merge -p "
    manifest = plain_yaml(change.manifest(API_VERSION))
    return (
        "# In git, set spec.trafficControl of this object:\n"
        f"{manifest}# With kubectl:\n# {command}{shlex.quote(patch)}\n"
    )


def _undone_by(route: Body) -> str:
    owner = owner_of(route)
    if not owner:
        return ""
    return (
        f"{owner} keeps ModelRoute {route['metadata']['name']} as git has it and may undo this:"
        " commit what --dry-run prints"
    )
