"""Which cluster and namespace a command is about: kubectl's own flags, and one way to fail."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tokenfleet.adapters.kubernetes import KubernetesCluster, connect
from tokenfleet.adapters.kubernetes.kubeconfig import UnconfiguredError, namespace_of
from tokenfleet.cli.terminal import Refused
from tokenfleet.domain.console.fleet_view import Body, FleetView, fleet_view
from tokenfleet.domain.console.traffic_control import UnfitChangeError
from tokenfleet.ports import ConflictError, NotFoundError, PortError, RefusedError
from tokenfleet.reconcilers.resources import BY_KIND, POOLS, ROUTERS, ROUTES, SLOS

ALL: str = ""
"""Stands for all namespaces."""


class NothingThereError(Exception):
    """What was asked for is not there; the message says what is."""


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
    """
    if getattr(args, "all_namespaces", False):
        return ALL
    return args.namespace or namespace_of(args.kubeconfig, args.context)


@asynccontextmanager
async def opened(args: argparse.Namespace) -> AsyncIterator[KubernetesCluster]:
    """Connect as the flags say.

    Raises:
        UnconfiguredError: there is no kubeconfig, or it cannot be used.
    """
    where = namespace(args)
    cluster = KubernetesCluster(
        await connect(args.kubeconfig, args.context),
        BY_KIND.values(),
        namespaces=(where,) if where else (),
    )
    try:
        yield cluster
    finally:
        await cluster.close()


async def route_of(cluster: KubernetesCluster, where: str, name: str) -> Body:
    """Read one ModelRoute.

    Raises:
        NothingThereError: there is none of this name.
        PortError: the cluster does not answer, or refuses.
    """
    found = await cluster.get(ROUTES, where, name)
    if found is not None:
        return found
    try:
        names = sorted(body["metadata"]["name"] for body in await cluster.list(ROUTES))
    except NotFoundError as error:
        raise NothingThereError(NOT_INSTALLED) from error
    there = f"there are {', '.join(names)}" if names else "there is none"
    msg = f"no ModelRoute {name} in namespace {where}; {there}"
    raise NothingThereError(msg)


async def look(cluster: KubernetesCluster) -> FleetView:
    """Read the fleet.

    Raises:
        NothingThereError: Tokenfleet is not installed.
        PortError: the cluster does not answer, or refuses.
    """
    try:
        routers, routes, pools, slos = await asyncio.gather(
            *(cluster.list(kind) for kind in (ROUTERS, ROUTES, POOLS, SLOS))
        )
    except NotFoundError as error:
        raise NothingThereError(NOT_INSTALLED) from error
    return fleet_view(routers=routers, routes=routes, pools=pools, objectives=slos)


NOT_INSTALLED = "the cluster does not know ModelRoutes: is Tokenfleet installed?"


def answered(name: str, run: Callable[[], Awaitable[int]]) -> int:
    """Run a command; what goes wrong is one sentence on standard error, and status 1."""
    try:
        return asyncio.run(_awaited(run))
    except (NothingThereError, UnconfiguredError, UnfitChangeError, Refused) as error:
        said = str(error)
    except ConflictError:
        said = "somebody else has just changed the object: run the command again"
    except RefusedError as error:
        said = f"the cluster refuses: {error}"
    except PortError as error:
        said = str(error)
    except ValueError as error:
        said = str(error)
    print(f"tokenfleet {name}: {said}", file=sys.stderr)
    return 1


async def _awaited(run: Callable[[], Awaitable[int]]) -> int:
    return await run()


def examples(*lines: Sequence[str]) -> dict[str, Any]:
    """Return what `add_parser` needs to show examples: (command, what it does)."""
    width = max(len(line[0]) for line in lines)
    shown = "\n".join(f"  kubectl tokenfleet {line[0]:<{width}}  {line[1]}" for line in lines)
    return {
        "epilog": f"examples:\n{shown}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }
