"""A ModelRoute by the name that a person gives, and what else they may have meant."""

import asyncio
import difflib
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from tokenfleet.adapters.kubernetes import KubernetesCluster
from tokenfleet.cli.faults import NothingThereError, NotInstalledError, forbidden
from tokenfleet.domain.console.fleet_view import Body
from tokenfleet.domain.console.traffic_control import pools_of
from tokenfleet.ports import Cluster, NotFoundError, PortError, RefusedError, Resource
from tokenfleet.reconcilers.resources import POOLS, ROUTERS, ROUTES, SLOS

KINDS: Final = ("modelroute", "modelroutes", "mroute", "modelroutes.tokenfleet.dev")
"""What may stand before a slash, as kubectl takes it and prints it."""

MOST: Final = 10
"""Names that a message tells at most."""

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""A DNS subdomain (RFC 1123); what is none names no object, and may not get into a path."""


async def listed(cluster: Cluster, *kinds: Resource) -> list[Sequence[Body]]:
    """Return all objects of some kinds, in their order.

    Raises:
        NotInstalledError: the API server does not know one of them.
        RefusedError: you may not list one; the message names all that you may not.
        PortError: the cluster does not answer.
    """
    asked = (cluster.list(kind) for kind in kinds)
    found = await asyncio.gather(*asked, return_exceptions=True)
    for kind, answer in zip(kinds, found, strict=True):
        if isinstance(answer, NotFoundError):
            raise NotInstalledError(kind.plural) from answer
    failed = [answer for answer in found if isinstance(answer, BaseException)]
    refused = [one for one in failed if isinstance(one, RefusedError)]
    if len(refused) > 1 and (missing := forbidden(refused)):
        raise RefusedError(missing) from refused[0]
    if failed:
        raise failed[0]
    return [answer for answer in found if not isinstance(answer, BaseException)]


async def route_of(cluster: KubernetesCluster, where: str, given: str) -> Body:
    """Read one ModelRoute.

    Args:
        cluster: where.
        where: its namespace.
        given: its name, or `modelroute/NAME`.

    Raises:
        NothingThereError: there is none of this name; the message says what there is.
        PortError: the cluster does not answer, or refuses.
    """
    name = plain(given)
    found = await cluster.get(ROUTES, where, name) if _NAME.fullmatch(name) else None
    if found is not None:
        return found
    (routes,) = await listed(cluster, ROUTES)
    raise NothingThereError(await absent(cluster, where, name, routes))


def plain(given: str) -> str:
    """Return the name of a ModelRoute without its kind.

    Raises:
        NothingThereError: it names another kind.
    """
    kind, slash, name = given.rpartition("/")
    if slash and kind.lower() not in KINDS:
        msg = f"{given} is no ModelRoute: write its name, or modelroute/NAME"
        raise NothingThereError(msg)
    return name


async def absent(cluster: KubernetesCluster, where: str, name: str, routes: Sequence[Body]) -> str:
    """Say that there is no ModelRoute of a name in a namespace, and what is there instead."""
    names = sorted({body["metadata"]["name"] for body in routes})
    other, elsewhere = (
        await _of_another_kind(cluster, name, routes),
        await _elsewhere(cluster, where, name) if where else "",
    )
    hints = [other, elsewhere] if elsewhere else [alike(name, names), other]
    place = f"namespace {where}" if where else "any namespace"
    return "; ".join([f"no ModelRoute {name} in {place}", *filter(None, hints)])


def alike(name: str, names: Sequence[str]) -> str:
    """Say which of the names is meant, else which there are."""
    if not names:
        return "there is none"
    if close := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {close[0]}?"
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    verb = "is" if len(names) == 1 else "are"
    return f"there {verb} {', '.join(names[:MOST])}{more}"


async def _of_another_kind(cluster: KubernetesCluster, name: str, routes: Sequence[Body]) -> str:
    """Return the kind that the name is one of; empty: none, or it may not be looked at."""
    for kind in (POOLS, SLOS, ROUTERS):
        with suppress(PortError):
            for body in await cluster.list(kind):
                if body["metadata"]["name"] == name:
                    about = sorted(_about(kind, body, routes))
                    told = f", of ModelRoute {', '.join(about)}" if about else ""
                    return f"{name} is a {kind.kind}{told}"
    return ""


def _about(kind: Resource, body: Body, routes: Sequence[Body]) -> set[str]:
    name = body["metadata"]["name"]
    if kind is SLOS:
        return {body["spec"]["targetRef"]["name"]}
    if kind is ROUTERS:
        return set()
    return {
        route["metadata"]["name"]
        for route in routes
        if any(name in pools_of(rule) for rule in route["spec"]["rules"])
    }


async def _elsewhere(cluster: KubernetesCluster, where: str, name: str) -> str:
    """Return the other namespaces that have a route of the name, where one may look."""
    found: list[str] = []
    with suppress(PortError):
        async for page in cluster.pages(ROUTES):
            found += [
                body["metadata"]["namespace"] for body in page if body["metadata"]["name"] == name
            ]
    others = sorted({place for place in found if place != where})[:MOST]
    if not others:
        return ""
    return f"there is one in namespace {', '.join(others)}: add -n {others[0]}"
