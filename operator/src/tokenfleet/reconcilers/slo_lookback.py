"""The loop that keeps burn rates, error budgets, money spent, shares of paths and stages.

It runs beside the tick, so that it never delays it.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tokenfleet.domain.fleet.keys import SLO
from tokenfleet.domain.fleet.steering import promise_in
from tokenfleet.domain.slo.objectives.error_budget import Budget
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.ports import Clock, PortError
from tokenfleet.reconcilers.latency_stages import LatencyStages
from tokenfleet.reconcilers.money import Money
from tokenfleet.reconcilers.path_shares import PathShares
from tokenfleet.reconcilers.store import Store

log = logging.getLogger(__name__)


class LookBack(Protocol):
    """Burn rates over hours and days; see `adapters.prometheus.lookback`."""

    async def look(self, objectives: Sequence[ObjectiveSpec], at: datetime) -> None:
        """Renew a part of them; raises PortError where the store fails."""
        ...

    def rates(self) -> Mapping[str, Mapping[timedelta, float]]:
        """Return `namespace/name` of objectives -> window -> burn rate."""
        ...


class Budgets(Protocol):
    """Error budgets over weeks; see `adapters.prometheus.history`."""

    async def look(self, objectives: Sequence[ObjectiveSpec], at: datetime) -> None:
        """Ask for one slot of them; raises PortError where the store fails."""
        ...

    def budgets(self) -> Mapping[str, Budget]:
        """Return `namespace/name` of objectives -> what is left."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SloLookback:
    """Looks back for ever, once per tick."""

    store: Store
    look_back: LookBack | None
    """None: there is no Prometheus to ask."""
    budgets: Budgets | None = None
    """None as above."""
    path_shares: PathShares
    money: Money
    latency_stages: LatencyStages
    clock: Clock
    every: timedelta

    async def run(self) -> None:
        """Look until cancelled."""
        failing = ""
        while True:
            said = await self.look()
            if said and not failing:
                log.warning("burn rates of alerts and error budgets cannot be renewed: %s", said)
            failing = said
            await asyncio.sleep(self.every.total_seconds())

    async def look(self) -> str:
        """Look once; return why it failed, empty where it did not."""
        said, now = "", self.clock.now()
        promises = self.store.read_all(SLO, promise_in)
        objectives = [one for one in promises if isinstance(one, ObjectiveSpec)]
        looks = [one.look(objectives, now) for one in (self.look_back, self.budgets) if one]
        beside = (self.path_shares, self.money, self.latency_stages)
        for look in (*looks, *(one.look(now) for one in beside)):
            try:
                await look
            except PortError as error:
                said = str(error)
        return said
