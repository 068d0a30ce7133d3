"""The money of spend objectives since their hour or day began, asked beside the tick.

A question is about one hour at most, so no query ever reads a day. After a start a day is known
after a few looks; nothing is stored, Prometheus remembers.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.domain.fleet.keys import SLO
from tokenfleet.domain.fleet.steering import promise_in
from tokenfleet.domain.freshness import is_fresh
from tokenfleet.domain.slo.objectives.spec import Level, LevelObjective
from tokenfleet.domain.slo.observation.measurement import Measurement
from tokenfleet.domain.slo.observation.spent import HOUR, Cells, hours_of, spent
from tokenfleet.reconcilers.store import Store

FRESH: Final = timedelta(minutes=1)
"""Age at which the hour that runs is asked for again."""
AT_ONCE: Final = 4
"""Most hours that one look asks for: a day is known after six looks."""

AskUsed = Callable[[datetime, timedelta], Awaitable[Cells]]
"""Asks what everything used in a span that ends at an instant; raises PortError on failure."""


@dataclass(slots=True, kw_only=True)
class Money:
    """Asks, and remembers the hours of the periods that run."""

    store: Store
    ask: AskUsed | None
    """None: there is no Prometheus to ask."""
    _hours: dict[datetime, Cells] = field(default_factory=dict)
    _whole: set[datetime] = field(default_factory=set)
    """Hours that were asked for when they were over."""
    _asked_at: datetime | None = None
    """When the hour that runs was asked for."""

    async def look(self, at: datetime) -> None:
        """Ask for what is wanted most.

        Raises:
            PortError: the store failed; the same is wanted at the next look.
        """
        wanted = sorted({hour for slo in self._objectives() for hour in hours_of(slo, at)})
        self._hours = {hour: cells for hour, cells in self._hours.items() if hour in wanted}
        self._whole &= self._hours.keys()
        if self.ask is None or not wanted:
            return
        running = wanted.pop()
        if not is_fresh(self._asked_at, at, FRESH) or running not in self._hours:
            self._hours[running] = await self._used(at, at - running)
            self._asked_at = at
        missing = [hour for hour in reversed(wanted) if hour not in self._whole]
        for hour in missing[:AT_ONCE]:
            self._hours[hour] = await self._used(hour + HOUR, HOUR)
            self._whole.add(hour)

    def added(self, measured: Measurement | None) -> Measurement | None:
        """Return a measurement with the money of all spend objectives."""
        if measured is None:
            return None
        found = {slo.key: spent(slo, self._hours, measured.at) for slo in self._objectives()}
        known = {key: usage for key, usage in found.items() if usage is not None}
        return replace(measured, spent=known) if known else measured

    def _objectives(self) -> list[LevelObjective]:
        found = self.store.read_all(SLO, promise_in)
        return [
            slo for slo in found if isinstance(slo, LevelObjective) and slo.level is Level.SPEND
        ]

    async def _used(self, end: datetime, span: timedelta) -> Cells:
        assert self.ask is not None
        seconds = timedelta(seconds=round(span.total_seconds()))
        return await self.ask(end, seconds) if seconds else {}
