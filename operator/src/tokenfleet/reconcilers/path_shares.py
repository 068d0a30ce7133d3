"""The part of its route's requests that each rule takes, measured beside the tick."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tokenfleet.domain.fleet.keys import ROUTE, SLO, ObjectKey
from tokenfleet.domain.fleet.path_promises import path_in
from tokenfleet.domain.slo.objectives.path_share import (
    PathShare,
    Taken,
    share,
    shares,
)
from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.domain.slo.reporting.path_shares import path_view
from tokenfleet.domain.slo.reporting.views import SLOView
from tokenfleet.reconcilers.renewed import Renewed
from tokenfleet.reconcilers.store import Store


class AskTaken(Protocol):
    """Asks what every rule took in the last hour; see `adapters.prometheus.path_shares`."""

    def __call__(self, at: datetime, *, split: bool) -> Awaitable[Iterable[Taken]]:
        """Ask; the awaitable raises PortError where the store fails."""
        ...


@dataclass(slots=True, kw_only=True)
class PathShares:
    """Asks every few minutes, and remembers the answer until it is too old."""

    store: Store
    ask: AskTaken | None
    """None: there is no Prometheus to ask."""
    wake: Callable[[ObjectKey], None]
    _taken: Renewed[tuple[Taken, ...]] = field(default_factory=Renewed)
    _split: bool = False
    _shares: dict[RuleKey, float] = field(default_factory=dict)
    _views: dict[str, SLOView] = field(default_factory=dict)

    async def look(self, at: datetime) -> None:
        """Ask if it is time, judge every objective, and wake whom a change concerns.

        Raises:
            PortError: the store failed.
        """
        objectives = list(self.objectives())
        try:
            await self._ask(at, split=any(slo.selects for slo in objectives))
        finally:
            self._judge(objectives)

    def shares(self) -> dict[RuleKey, float]:
        """Return rule -> its part of its route's requests; what is not known is absent."""
        return dict(self._shares)

    def views(self) -> dict[str, SLOView]:
        """Return `namespace/name` -> view, for every objective about the share of a path."""
        return dict(self._views)

    def objectives(self) -> Iterable[PathShare]:
        """Return every objective about the share of a path that can be read."""
        return self.store.read_all(SLO, path_in)

    async def _ask(self, at: datetime, *, split: bool) -> None:
        ask = self.ask
        if ask is None or not (self._taken.due(at) or split > self._split):
            return
        self._split = split

        async def question() -> tuple[Taken, ...]:
            return tuple(await ask(at, split=split))

        await self._taken.ask(at, question)

    def _judge(self, objectives: Iterable[PathShare]) -> None:
        taken, before, told = self._taken.answer, self._shares, self._views
        self._shares = shares(taken) if taken is not None else {}
        self._views = {
            slo.key: path_view(slo, share(slo, taken) if taken is not None else self._taken.failure)
            for slo in objectives
        }
        moved = {
            rule[:2]
            for rule in before.keys() | self._shares.keys()
            if before.get(rule) != self._shares.get(rule)
        }
        for namespace, route in sorted(moved):
            self.wake(ObjectKey(ROUTE, namespace, route))
        for key in sorted(self._views.keys() | told.keys()):
            if self._views.get(key) != told.get(key):
                self.wake(ObjectKey(SLO, *key.split("/")))
