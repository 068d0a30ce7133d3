"""What was used since an hour or a day began, hour by hour.

An hour that is over does not change any more: it is asked for once. The one that runs is asked for
again and again, and its last answer stands for it until it is asked for as a whole.

    begin of the period                               now
         |  hour  |  hour  |  hour  |  hour  | running |
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.domain.slo.objectives.spec import LevelObjective
from tokenfleet.domain.slo.observation.evidence import selects
from tokenfleet.domain.slo.observation.measurement import RuleKey, Usage, UsageCell

HOUR: Final = timedelta(hours=1)
NOTHING: Final = Usage()

Cells = Mapping[RuleKey, Iterable[UsageCell]]
"""One hour; each cell has one window only."""


def hours_of(objective: LevelObjective, now: datetime) -> Iterator[datetime]:
    """Yield the beginnings of the hours of the period that runs, oldest first."""
    start = objective.begun(now)
    while start <= now:
        yield start
        start += HOUR


def spent(
    objective: LevelObjective, hours: Mapping[datetime, Cells], now: datetime
) -> dict[str, Usage] | None:
    """Return what the objective is about, by pool; None where an hour is not known."""
    found: dict[str, Usage] = {}
    for start in hours_of(objective, now):
        if start not in hours:
            return None
        for pool, usage in _mine(objective, hours[start]):
            found[pool] = found.get(pool, NOTHING).plus(usage)
    return found


def _mine(objective: LevelObjective, cells: Cells) -> Iterator[tuple[str, Usage]]:
    for key, found in cells.items():
        about = key[:2] == (objective.namespace, objective.route)
        if about and objective.rule in {None, key.rule}:
            for cell in found:
                if selects(objective, cell.feature, cell.request_type) and not cell.broken:
                    yield from ((cell.pool, usage) for usage in cell.windows.values())
