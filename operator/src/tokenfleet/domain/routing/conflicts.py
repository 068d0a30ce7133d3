"""Who owns a public model name when more than one route claims it.

The incumbent keeps it: a route that serves a name today does not lose it to a newcomer, whatever
the newcomer is called, and not while its own spec cannot be read. At first sight the older route
wins, then the smaller name, as in the Gateway API (GEP-713, conflict resolution).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.domain.fleet.problems import Problem

_FAR_FUTURE = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The outcome of all claims on one router."""

    owners: Mapping[str, str]
    """Public model name -> route that serves it, as the router calls it."""
    problems: Mapping[str, tuple[Problem, ...]]
    """Route -> what it lost, and to whom."""
    rivals: Mapping[str, tuple[str, ...]]
    """Route -> what others claim of it in vain, in a sentence each."""


def settle(
    routes: Mapping[str, ModelRoute],
    incumbents: Mapping[str, str],
    unread: Collection[str] = (),
) -> Claims:
    """Give every claimed name to exactly one route.

    Args:
        routes: all routes of one router, by what it calls them.
        incumbents: public model name -> route that serves it now; unknown routes are ignored.
        unread: routes that exist and whose spec cannot be read: they keep what they serve.
    """
    claimants: dict[str, list[str]] = {}
    for route in sorted(routes, key=lambda route: _age(routes[route], route)):
        for name in routes[route].spec.model_names:
            claimants.setdefault(name, []).append(route)
    owners = {
        name: next((r for r in claiming if r == incumbents.get(name)), claiming[0])
        for name, claiming in sorted(claimants.items())
    }
    owners |= {name: route for name, route in incumbents.items() if route in unread}
    problems = {
        key: tuple(
            _lost(name, owners[name], incumbents)
            for name in route.spec.model_names
            if owners[name] != key
        )
        for key, route in routes.items()
    }
    rivals: dict[str, tuple[str, ...]] = {}
    for name, owner in owners.items():
        others = [f"ModelRoute {r}" for r in claimants.get(name, ()) if r != owner]
        if others:
            told = f"model name {name} is also claimed, in vain, by {', '.join(others)}"
            rivals[owner] = (*rivals.get(owner, ()), told)
    return Claims(
        owners=owners,
        problems={name: lost for name, lost in problems.items() if lost},
        rivals=rivals,
    )


def _age(route: ModelRoute, name: str) -> tuple[datetime, str]:
    return (route.metadata.creation_timestamp or _FAR_FUTURE, name)


def _lost(name: str, winner: str, incumbents: Mapping[str, str]) -> Problem:
    why = "serves it already" if incumbents.get(name) == winner else "is older"
    return Problem(
        condition=ACCEPTED,
        reason="ModelNameConflict",
        message=f"model name {name} belongs to ModelRoute {winner}, which {why};"
        f" remove {name} from modelNames here or there",
    )
