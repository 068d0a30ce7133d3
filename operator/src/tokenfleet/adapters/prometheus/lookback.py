"""Burn rates over hours and days, a little with every tick.

What alerts look at reaches far back and changes slowly. One tick therefore asks for one *part*, a
signal over the near windows or over a far one, in at most two queries: the one that is most
overdue. With one signal in use each is renewed as often as `INTERVALS` says.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from tokenfleet.adapters.prometheus.cells import cells_of
from tokenfleet.adapters.prometheus.queries import Family, Query, queries
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.domain.slo.observation.measurement import Signal
from tokenfleet.domain.slo.reporting.burn_rates import FAR, FARTHEST, NEAR, burn_rates, looking_back
from tokenfleet.ports import MetricSource, Sample

INTERVALS: Final[Mapping[tuple[timedelta, ...], timedelta]] = {
    NEAR: timedelta(minutes=1),
    FAR: timedelta(minutes=5),
    FARTHEST: timedelta(minutes=30),
}
"""Windows -> how often they are renewed, at best."""

OLDEST: Final = 5
"""Intervals after which an answer is no answer any more."""

QUERIES: Final = 2
"""Most queries of one part: what was good and what was bad, or how long and with which outcome."""

_FAMILIES: Final = frozenset(
    {Family.GOOD, Family.BAD, Family.OUTCOMES, Family.DURATIONS, Family.TPOT}
)


class _Part(NamedTuple):
    windows: tuple[timedelta, ...]
    signal: Signal


class _Known(NamedTuple):
    at: datetime
    rates: Mapping[str, Mapping[timedelta, float]]
    """`namespace/name` of objectives -> window -> burn rate."""


@dataclass(slots=True)
class Lookback:
    """Asks one store, and remembers what it said until that is too old."""

    source: MetricSource
    _asked: dict[_Part, datetime] = field(default_factory=dict)
    _known: dict[_Part, _Known] = field(default_factory=dict)

    async def look(self, objectives: Collection[ObjectiveSpec], at: datetime) -> None:
        """Renew the part that is most overdue, if any is.

        Raises:
            PortError: the store failed; the same part has its turn again after the others.
        """
        used = {slo.signal for slo in objectives}
        parts = [_Part(windows, signal) for windows in INTERVALS for signal in sorted(used)]
        self._forget(parts, at)
        due = max(parts, key=lambda part: self._overdue(part, at), default=None)
        if due is None or self._overdue(due, at) < 1:
            return
        self._asked[due] = at
        mine = [slo for slo in objectives if slo.signal is due.signal]
        rows: dict[Family, list[Sample]] = defaultdict(list)
        for query in part_queries(mine, due.windows):
            rows[query.family] += await self.source.query(query.text, at=at)
        cells = cells_of(rows)
        rates = {slo.key: burn_rates(slo, cells, due.windows) for slo in mine}
        self._known[due] = _Known(at, rates)

    def rates(self) -> dict[str, dict[timedelta, float]]:
        """Return `namespace/name` -> window -> burn rate; what is not known is absent."""
        found: dict[str, dict[timedelta, float]] = {}
        for known in self._known.values():
            for key, rates in known.rates.items():
                found.setdefault(key, {}).update(rates)
        return found

    def _overdue(self, part: _Part, at: datetime) -> float:
        asked = self._asked.get(part)
        if asked is None or asked > at:  # the clock has been set back since
            return float("inf")
        # Half a second of grace: ticks are never exact.
        return (at - asked + timedelta(seconds=0.5)) / INTERVALS[part.windows]

    def _forget(self, parts: Collection[_Part], at: datetime) -> None:
        for part, known in list(self._known.items()):
            longest = OLDEST * INTERVALS[part.windows]
            if part not in parts or not timedelta(0) <= at - known.at <= longest:
                del self._known[part]


def part_queries(
    objectives: Sequence[ObjectiveSpec], windows: tuple[timedelta, ...], *, split: bool = False
) -> tuple[Query, ...]:
    """Return the queries of objectives with one signal: one for each family, over all windows."""
    texts: dict[Family, list[str]] = defaultdict(list)
    for query in queries([looking_back(slo, windows) for slo in objectives], (), split=split):
        if query.family in _FAMILIES:
            texts[query.family].append(query.text)
    return tuple(Query(family, " or ".join(found)) for family, found in texts.items())
