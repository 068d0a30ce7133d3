"""Alerts that would have been sent.

Burn rates are those that the operator exports for its static alert rules: the same queries over the
same windows, renewed as often, compared with the same factors (`domain.slo.alerting`). The rest are
conditions of the replay itself.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from tokenfleet.adapters.prometheus.cells import cells_of
from tokenfleet.adapters.prometheus.lookback import INTERVALS, part_queries
from tokenfleet.adapters.prometheus.queries import Family, Query
from tokenfleet.backtest.history import MAX_POINTS, Rows, Span, rows
from tokenfleet.domain.slo.engine import Outcome
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.domain.slo.observation.data_state import Kind
from tokenfleet.domain.slo.reporting.burn_rates import (
    FAR,
    FARTHEST,
    LABELS,
    NEAR,
    burn_rates,
    factors,
)
from tokenfleet.ports import MetricHistory, Sample

PAIRS: Final = {NEAR[-1]: NEAR[0], FAR[0]: NEAR[1], FARTHEST[0]: FAR[0]}
"""Long window -> the short one that must burn as fast."""

BLIND_FOR: Final = timedelta(minutes=10)
"""How long an objective cannot be judged before somebody is told; `for` of TokenSLOBlind."""
SATURATED_FOR: Final = timedelta(minutes=2)
"""How long no fallback can take more before somebody is told; `for` of ModelRouteSaturated."""


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
    """Conditions over time; feed it in order of time."""

    sent: list[Alert] = field(default_factory=list)
    _pending: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _open: dict[tuple[str, str], int] = field(default_factory=dict)
    """Condition -> place of its alert in `sent`."""

    def tick(self, at: datetime, holding: Mapping[tuple[str, str], timedelta]) -> None:
        """Take what is wrong at one instant: (name, about) -> how long it must last."""
        for key, patience in holding.items():
            since = self._pending.setdefault(key, at)
            if at - since >= patience and key not in self._open:
                self._open[key] = len(self.sent)
                self.sent.append(Alert(*key, since=at, until=None))
        for key in self._pending.keys() - holding.keys():
            del self._pending[key]
            if key in self._open:
                place = self._open.pop(key)
                self.sent[place] = self.sent[place]._replace(until=at)


def of_replay(outcome: Outcome) -> dict[tuple[str, str], timedelta]:
    """Return what is wrong with one step's outcome."""
    return dict(_wrong(outcome))


def _wrong(outcome: Outcome) -> Iterator[tuple[tuple[str, str], timedelta]]:
    for name, slo in outcome.slos.items():
        if slo.data.kind is Kind.UNKNOWN:
            yield ("data unknown", name), BLIND_FOR
    for name, rule in outcome.rules.items():
        if rule.saturated:
            yield ("saturated", name), SATURATED_FOR
        if rule.reason == "Frozen":
            yield ("frozen", name), timedelta(0)


@dataclass(frozen=True, slots=True)
class Look:
    """One part of the burn rates: some windows of the objectives that have one signal."""

    objectives: tuple[ObjectiveSpec, ...]
    windows: tuple[timedelta, ...]
    queries: tuple[Query, ...]
    parts: tuple[Span, ...]


def looks(objectives: Iterable[ObjectiveSpec], span: Span) -> tuple[Look, ...]:
    """Plan what must be asked for the burn rates of a range."""
    by_signal = defaultdict(list)
    for slo in objectives:
        by_signal[slo.signal].append(slo)
    found = []
    for windows, every in INTERVALS.items():
        step = max(every, span.step)
        count = int((span.end - span.start) / step) + 1
        coarse = Span(start=span.start, step=step, count=count)
        for mine in by_signal.values():
            asked = part_queries(mine, windows)
            found.append(Look(tuple(mine), windows, asked, tuple(coarse.parts(MAX_POINTS))))
    return tuple(found)


async def burning(
    history: MetricHistory, wanted: Sequence[Look], asked: Callable[[], None]
) -> Alerts:
    """Return the alerts on burn rates.

    Raises:
        PortError: Prometheus did not answer.
    """
    rates: dict[datetime, dict[str, dict[timedelta, float]]] = defaultdict(dict)
    limits = {slo.key: factors(slo) for look in wanted for slo in look.objectives}
    for look in wanted:
        for part in look.parts:
            answers = await rows(history, [query.text for query in look.queries], part, asked)
            for tick in range(part.count):
                now = rates[part.at(tick)]
                for key, found in _rates(look, answers, tick).items():
                    # Marked even where there is no rate, so that an old one does not stay.
                    blank = dict.fromkeys(look.windows, 0.0)
                    now.setdefault(key, {}).update(blank | found)
    alerts = Alerts()
    known: dict[str, dict[timedelta, float]] = defaultdict(dict)
    for at in sorted(rates):
        for key, fresh in rates[at].items():
            known[key].update(fresh)
        alerts.tick(at, dict.fromkeys(_fast(known, limits), timedelta(0)))
    return alerts


def _rates(look: Look, answers: Mapping[str, Rows], tick: int) -> dict[str, dict[timedelta, float]]:
    held: dict[Family, list[Sample]] = defaultdict(list)
    for query in look.queries:
        held[query.family] += answers[query.text][tick]
    cells = cells_of(held)
    return {slo.key: burn_rates(slo, cells, look.windows) for slo in look.objectives}


def _fast(
    known: Mapping[str, Mapping[timedelta, float]],
    limits: Mapping[str, Mapping[timedelta, float]],
) -> Iterator[tuple[str, str]]:
    """Yield the pairs of windows that both burn faster than their factor."""
    for key, rates in known.items():
        for long, short in PAIRS.items():
            factor = limits[key][long]
            if min(rates.get(long, 0.0), rates.get(short, 0.0)) > factor:
                severity = "ticket" if long in FARTHEST else "page"
                yield f"{severity} {LABELS[long]}/{LABELS[short]}", key
