"""Who owns a public model name when more than one route claims it.

The incumbent keeps it: a route that serves a name today does not lose it to a newcomer, whatever
the newcomer is called. At first sight the older route wins, then the smaller name, as in the
Gateway API (GEP-713, conflict resolution).
"""

from collections.abc import Mapping, Sequence
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
    """Public model name -> name of the route that serves it."""
    problems: Mapping[str, tuple[Problem, ...]]
    """Route name -> what it lost, and to whom."""


def settle(routes: Sequence[ModelRoute], incumbents: Mapping[str, str]) -> Claims:
    """Give every claimed name to exactly one route.

    Args:
        routes: all routes of one router.
        incumbents: public model name -> route that serves it now; unknown routes are ignored.
    """
    claimants: dict[str, list[ModelRoute]] = {}
    for route in sorted(routes, key=_age):
        for name in route.spec.model_names:
            claimants.setdefault(name, []).append(route)
    owners = {
        name: next(
            (r.metadata.name for r in claiming if r.metadata.name == incumbents.get(name)),
            claiming[0].metadata.name,
        )
        for name, claiming in sorted(claimants.items())
    }
    problems = {
        route.metadata.name: tuple(
            _lost(name, owners[name], incumbents)
            for name in route.spec.model_names
            if owners[name] != route.metadata.name
        )
        for route in routes
    }
    return Claims(owners=owners, problems={name: lost for name, lost in problems.items() if lost})


def _age(route: ModelRoute) -> tuple[datetime, str]:
    return (route.metadata.creation_timestamp or _FAR_FUTURE, route.metadata.name)


def _lost(name: str, winner: str, incumbents: Mapping[str, str]) -> Problem:
    why = "serves it already" if incumbents.get(name) == winner else "is older"
    return Problem(
        condition=ACCEPTED,
        reason="ModelNameConflict",
        message=f"model name {name} belongs to ModelRoute {winner}, which {why};"
        f" remove {name} from modelNames here or there",
    )
