"""Runs one scenario under one decider.

Arrivals, routing and each pool draw from streams of their own, so that two policies meet the same
clients as long as they treat them alike.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple

from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.simulation.arrivals import Request, arrivals
from tokenfleet.simulation.fleet import TARGET, Scenario
from tokenfleet.simulation.loop import Loop
from tokenfleet.simulation.policies import (
    Decider,
    Naive,
    Nobody,
    Oracle,
    Ours,
    Pages,
    Progressive,
    Split,
    Told,
)
from tokenfleet.simulation.pools import Queue
from tokenfleet.simulation.scrapes import Line, Seen, Store

POLICIES: Final = ("none", "naive", "flagger", "pages", "ours", "oracle")
TOLD_EVERY: Final = 60.0
"""Seconds of a scenario between two words about how far it is."""


def silent(_: float) -> None:
    """Say nothing about how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One stream's part of a run."""

    rule: RuleKey
    requests: int
    bad: int
    """Requests whose attempt missed an objective of the rule, or that were given up in vain."""
    pools: Mapping[str, int]
    """Pool -> requests."""
    minutes: tuple[tuple[int, int], ...] = field(repr=False)
    """(requests, bad) of every minute."""
    shares: tuple[tuple[float, Mapping[str, float]], ...] = field(repr=False)
    """(second, pool -> part) at every change, the first at 0."""

    def kept(self, backends: Iterable[str]) -> list[tuple[float, float]]:
        """Return (second, w) at every change; w is what the backends keep together."""
        known = set(backends)
        return [
            (at, round(sum(part for pool, part in parts.items() if pool in known), 6))
            for at, parts in self.shares
        ]


class Run(NamedTuple):
    """One run of a scenario."""

    lanes: tuple[Lane, ...]
    """One per stream."""
    told: tuple[Told, ...]
    """Decisions of our engine; empty for others."""
    seen: Mapping[Line, Seen]
    """What the router counted until the last scrape."""
    fewest: Mapping[str, int]
    """Pool -> fewest replicas that its autoscaler left it; pools without one are not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The first stream of a run in numbers."""

    scenario: str
    policy: str
    seed: int
    requests: int
    bad: float
    """Fraction of requests."""
    violating: int
    """Minutes beyond the budget."""
    flips: int
    """Changes of direction."""
    acted_after: float | None
    """Seconds from the cause to the first shift; None: never, or no cause."""
    fallback: float
    """Fraction of requests on fallbacks."""
    shares: tuple[tuple[float, float], ...] = field(repr=False)
    """(second, w) at every change."""
    minutes: tuple[tuple[int, int], ...] = field(repr=False)
    """(requests, bad) of every minute."""
    decisions: tuple[tuple[float, str], ...] = field(repr=False)
    """(second, transition) of our engine; empty for the others."""
    fewest: Mapping[str, int] = field(repr=False)
    """Pool -> fewest replicas that its autoscaler left it."""

    def bad_between(self, start: float, end: float) -> float:
        """Return the bad fraction of the whole minutes between two moments."""
        found = self.minutes[int(start // 60) : int(end // 60)]
        return sum(bad for _, bad in found) / max(1, sum(n for n, _ in found))

    def share_at(self, t: float) -> float:
        """Return w at a moment."""
        return next((w for at, w in reversed(self.shares) if at <= t), 1.0)

    def shares_between(self, start: float, end: float) -> list[float]:
        """Return every w that was in force between two moments."""
        return [self.share_at(start), *(w for at, w in self.shares if start < at < end)]


def decider(name: str, scenario: Scenario) -> Decider:
    """Return a fresh decider by its name in `POLICIES`."""
    known: dict[str, Callable[[], Decider]] = {
        "none": Nobody,
        "naive": lambda: Split(scenario, Naive()),
        "flagger": lambda: Split(scenario, Progressive()),
        "pages": lambda: Split(scenario, Pages()),
        "ours": lambda: Ours(scenario),
        "oracle": lambda: Split(scenario, Oracle(scenario)),
    }
    return known[name]()


def simulate(
    scenario: Scenario,
    policy: str,
    *,
    seed: int,
    scrape: float = 15.0,
    tick: float = 15.0,
    chooser: Decider | None = None,
) -> Result:
    """Run a scenario and sum its first stream up; equal arguments give equal results."""
    made = run(scenario, chooser or decider(policy, scenario), seed=seed, scrape=scrape, tick=tick)
    lane, rule = made.lanes[0], scenario.stream.rule
    target = scenario.objectives[0].target
    changes = lane.kept(rule.backends)[1:]
    on_fallbacks = sum(n for pool, n in lane.pools.items() if pool not in rule.backends)
    return Result(
        scenario=scenario.name,
        policy=policy,
        seed=seed,
        requests=lane.requests,
        bad=lane.bad / max(1, lane.requests),
        violating=violating(lane, target),
        flips=_flips(changes),
        acted_after=_acted_after(changes, scenario.fault_at),
        fallback=on_fallbacks / max(1, lane.requests),
        shares=tuple(changes),
        minutes=lane.minutes,
        decisions=tuple((at, taken.decision.transition) for at, taken in made.told),
        fewest=made.fewest,
    )


def violating(lane: Lane, target: float = TARGET) -> int:
    """Return the minutes that spent more than their budget."""
    return sum(bad > (1 - target) * n for n, bad in lane.minutes)


def run(
    scenario: Scenario,
    chooser: Decider,
    *,
    seed: int,
    scrape: float = 15.0,
    tick: float = 15.0,
    progress: Callable[[float], None] = silent,
) -> Run:
    """Run a scenario from beginning to end; equal arguments give equal runs.

    Args:
        scenario: what happens.
        chooser: who decides.
        seed: chooses the clients.
        scrape: seconds between scrapes.
        tick: seconds between decisions.
        progress: told what part is done, 0 to 1, once a minute of the scenario.
    """
    name = f"{scenario.name} {seed}"
    streams = _randoms(name)
    phase, routing = next(streams), next(streams)
    queues = {
        pool: Queue(what, next(streams), scenario.patience, scenario.afflictions(pool, name))
        for pool, what in scenario.pools.items()
    }
    rules = {
        stream.rule.key: (*stream.rule.backends, *stream.rule.fallbacks)
        for stream in scenario.streams
    }
    loop = Loop(
        scenario=scenario,
        chooser=chooser,
        queues=queues,
        store=Store.of(scenario.objectives, rules, scrape),
        routing=routing,
        luck=next(streams),
        scrape=scrape,
        tick=tick,
        # Where scrapes and ticks fall relative to the cause is luck.
        next_scrape=scrape * phase.random(),
        next_tick=1 + tick * phase.random(),
    )
    loop.started()
    later: list[Request] = []
    clients = heapq.merge(
        *(
            arrivals(number, stream, scenario.seconds, next(streams))
            for number, stream in enumerate(scenario.streams)
        )
    )
    for request in _told(clients, scenario.seconds, progress):
        while later and later[0].t <= request.t:
            loop.serve(heapq.heappop(later), later)
        loop.serve(request, later)
    tallies = {flow.stream.rule.key: flow.tally for flow in loop.flows}
    return Run(
        lanes=tuple(
            Lane(
                rule=key,
                requests=tally.requests,
                bad=tally.bad,
                pools=tally.pools,
                minutes=tuple(
                    (tally.minutes[m][0], tally.minutes[m][1]) if m in tally.minutes else (0, 0)
                    for m in range(math.ceil(scenario.seconds / 60))
                ),
                shares=tuple(loop.changes[key]),
            )
            for key, tally in tallies.items()
        ),
        told=tuple(chooser.told) if isinstance(chooser, Ours) else (),
        seen={line: book.total for line, book in loop.store.books.items()},
        fewest=dict(loop.fewest),
    )


def _told(
    clients: Iterable[Request], seconds: float, progress: Callable[[float], None]
) -> Iterator[Request]:
    """Pass requests on, in the order of their times, and say how far they have come."""
    due = 0.0
    for request in clients:
        if request.t >= due:
            progress(min(1.0, request.t / seconds))
            due = request.t + TOLD_EVERY
        yield request
    progress(1.0)


def _randoms(name: str) -> Iterator[Random]:
    number = 0
    while True:
        yield Random(f"{name} {number}")  # noqa: S311 - a model, not a secret
        number += 1


def _flips(changes: list[tuple[float, float]]) -> int:
    values = [1.0, *(w for _, w in changes)]
    steps = [b - a for a, b in pairwise(values) if b != a]
    return sum(a * b < 0 for a, b in pairwise(steps)) + bool(steps)


def _acted_after(changes: list[tuple[float, float]], fault_at: float | None) -> float | None:
    if fault_at is None:
        return None
    return next((at - fault_at for at, w in changes if at >= fault_at and w < 1), None)
