"""Alerts that would have been sent, from the same views that the operator exports as metrics."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from tokenfleet.domain.slo.data_state import Kind
from tokenfleet.domain.slo.engine import Outcome


class Alert(NamedTuple):
    """One alert."""

    name: str
    about: str
    """`namespace/name` of an objective, `namespace/route/rule` of a rule."""
    since: datetime
    until: datetime | None
    """None: still firing at the last tick."""


@dataclass(slots=True)
class Alerts:
    """Conditions over time; feed it every tick."""

    sent: list[Alert] = field(default_factory=list)
    _pending: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def tick(self, at: datetime, outcome: Outcome) -> None:
        """Look at one tick."""
        holding = dict(_holding(outcome))
        for key, patience in holding.items():
            since = self._pending.setdefault(key, at)
            fires = at - since >= patience
            if fires and not any(a[:2] == key and a.until is None for a in self.sent):
                self.sent.append(Alert(*key, since=at, until=None))
        for key in [key for key in self._pending if key not in holding]:
            del self._pending[key]
            self.sent = [
                alert._replace(until=at) if alert[:2] == key and alert.until is None else alert
                for alert in self.sent
            ]


def _holding(outcome: Outcome) -> Iterator[tuple[tuple[str, str], timedelta]]:
    """Yield what is wrong now, and how long it must last."""
    for name, slo in outcome.slos.items():
        if slo.met is False:
            yield ("ObjectiveMissed", name), timedelta(minutes=5)
        if slo.data.kind is Kind.UNKNOWN:
            yield ("DataUnknown", name), timedelta(minutes=5)
    for name, rule in outcome.rules.items():
        if rule.saturated:
            yield ("Saturated", name), timedelta(minutes=1)
        if rule.reason == "Frozen":
            yield ("Frozen", name), timedelta(0)
