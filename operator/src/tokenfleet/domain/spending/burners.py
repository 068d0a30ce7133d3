"""Burners of money: the users that an objective about costs has most to do with."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from tokenfleet.domain.slo.objectives.spec import LevelObjective
from tokenfleet.domain.slo.observation.evidence import selects
from tokenfleet.domain.spending.prices import Place
from tokenfleet.domain.spending.ranking import ranked
from tokenfleet.domain.spending.summary import Summary, merged

MOST: Final = 5
"""Users that are named; people look at the first one first."""


class UserBurner(NamedTuple):
    """A user and its part of the money."""

    user: str
    part: float
    """Of the cost of everybody, at least; 0..1."""


def user_burners(
    objective: LevelObjective, spent: Iterable[tuple[str, Mapping[Place, Summary]]]
) -> tuple[UserBurner, ...]:
    """Return who spent most of what an objective is about, most first.

    Args:
        objective: says which rules, features and request types.
        spent: the objective's route as a router calls it, and what users of that router used, with
            costs; one item for each router and hour.
    """
    mine = merged(
        summary
        for route, hour in spent
        for place, summary in hour.items()
        if place.route == route
        and objective.rule in {None, place.rule}
        and selects(objective, place.feature, place.request_type)
    )
    rows = ranked(mine)[:MOST]
    return tuple(UserBurner(row.name, row.part) for row in rows if row.cost > 0)
