"""Which cluster and namespace a command is about: kubectl's own flags, and one way to fail."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tokenfleet.adapters.kubernetes import KubernetesCluster, connect
from tokenfleet.adapters.kubernetes.kubeconfig import namespace_of
from tokenfleet.cli.faults import FORESEEN, said
from tokenfleet.cli.labels import label
from tokenfleet.cli.names import listed
from tokenfleet.domain.console.fleet_view import FleetView, fleet_view
from tokenfleet.reconcilers.resources import BY_KIND, POOLS, ROUTERS, ROUTES, SLOS

ALL: str = ""
"""Stands for all namespaces."""


def add_target_flags(parser: argparse.ArgumentParser, *, everywhere: bool = False) -> None:
    """Add kubectl's flags; `everywhere`: the command can look at all namespaces."""
    group = parser.add_argument_group("cluster")
    group.add_argument("-n", "--namespace", default="", help="default: of the current context")
    group.add_argument("--context", default=None, help="context of the kubeconfig to use")
    group.add_argument("--kubeconfig", default=None, help="default: KUBECONFIG, else the pod's own")
    if everywhere:
        group.add_argument(
            "-A", "--all-namespaces", action="store_true", help="look at all namespaces"
        )


def namespace(args: argparse.Namespace) -> str:
    """Return the namespace that is meant; `ALL` for all.

    Raises:
        UnconfiguredError: there is no kubeconfig, or it cannot be used.
        ValueError: it is no name that a namespace can have.
    """
    if getattr(args, "all_namespaces", False):
        return ALL
    if args.namespace:
        return label("--namespace", args.namespace)
    return namespace_of(args.kubeconfig or None, args.context or None)


@asynccontextmanager
async def opened(args: argparse.Namespace) -> AsyncIterator[KubernetesCluster]:
    """Connect as the flags say.

    Raises:
        UnconfiguredError: there is no kubeconfig, or it cannot be used.
    """
    where = namespace(args)
    cluster = KubernetesCluster(
        await connect(args.kubeconfig or None, args.context or None),
        BY_KIND.values(),
        namespaces=(where,) if where else (),
    )
    try:
        yield cluster
    finally:
        await cluster.close()


async def look(cluster: KubernetesCluster) -> FleetView:
    """Read the fleet.

    Raises:
        NotInstalledError: Tokenfleet is not installed.
        PortError: the cluster does not answer, or refuses.
    """
    routers, routes, pools, slos = await listed(cluster, ROUTERS, ROUTES, POOLS, SLOS)
    return fleet_view(routers=routers, routes=routes, pools=pools, objectives=slos)


def answered(name: str, run: Callable[[], Awaitable[int]]) -> int:
    """Run a command; what goes wrong is one sentence on standard error, and status 1."""
    try:
        return asyncio.run(_awaited(run))
    except FORESEEN as error:
        print(f"tokenfleet {name}: {said(error)}", file=sys.stderr)
    return 1


async def _awaited(run: Callable[[], Awaitable[int]]) -> int:
    return await run()
