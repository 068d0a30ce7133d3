"""Runs one scenario under one decider."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Final

from tokenfleet.simulation.fleet import THRESHOLD, Queue, Scenario, Tally
from tokenfleet.simulation.policies import (
    Decider,
    Naive,
    Nobody,
    Oracle,
    Ours,
    Pages,
    Progressive,
)
from tokenfleet.simulation.scrapes import Store

POLICIES: Final = ("none", "naive", "flagger", "pages", "ours", "oracle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run in numbers."""

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
    """Fraction of requests on the fallback."""
    shares: tuple[tuple[float, float], ...] = field(repr=False)
    """(second, w) at every change."""


def decider(name: str, scenario: Scenario) -> Decider:
    """Return a fresh decider by its name in `POLICIES`."""
    known: dict[str, Callable[[], Decider]] = {
        "none": Nobody,
        "naive": Naive,
        "flagger": Progressive,
        "pages": Pages,
        "ours": lambda: Ours(scenario),
        "oracle": lambda: Oracle(scenario),
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
    """Run a scenario from beginning to end; equal arguments give equal results."""
    random = Random(f"{scenario.name} {seed}")  # noqa: S311 - a model, not a secret
    fleet = _Fleet(
        scenario=scenario,
        chooser=chooser or decider(policy, scenario),
        queues={
            "primary": Queue(scenario.primary, random),
            "fallback": Queue(scenario.fallback, random),
        },
        store=Store(
            pools=("primary", "fallback"), threshold=timedelta(seconds=THRESHOLD), interval=scrape
        ),
        scrape=scrape,
        tick=tick,
        # Where scrapes and ticks fall relative to the cause is luck.
        next_scrape=scrape * random.random(),
        next_tick=1 + tick * random.random(),
    )
    highest = _highest(scenario)
    t, tally = random.expovariate(highest), Tally()
    while t < scenario.seconds:
        fleet.watch(t)
        if random.random() * highest <= scenario.rate(t):  # thinning: Poisson of a changing rate
            pool = "primary" if random.random() < fleet.w else "fallback"
            good = fleet.queues[pool].arrive(t)
            tally.add(t, good=good, fallback=pool == "fallback")
        t += random.expovariate(highest)
    return Result(
        scenario=scenario.name,
        policy=policy,
        seed=seed,
        requests=tally.requests,
        bad=tally.bad / max(1, tally.requests),
        violating=tally.violating,
        flips=_flips(fleet.changes),
        acted_after=_acted_after(fleet.changes, scenario.fault_at),
        fallback=tally.on_fallback / max(1, tally.requests),
        shares=tuple(fleet.changes),
    )


@dataclass(slots=True, kw_only=True)
class _Fleet:
    """The loop around the queues: scrapes, ticks, and shares on their way to the routers."""

    scenario: Scenario
    chooser: Decider
    queues: dict[str, Queue]
    store: Store
    scrape: float
    tick: float
    next_scrape: float
    next_tick: float
    w: float = 1.0
    pending: list[tuple[float, float]] = field(default_factory=list)
    changes: list[tuple[float, float]] = field(default_factory=list)

    def watch(self, t: float) -> None:
        """Scrape and decide up to now."""
        while min(self.next_scrape, self.next_tick) <= t:
            if self.next_scrape <= self.next_tick:
                self._scrape()
            else:
                self._decide()
        self._arrived(t)

    def _scrape(self) -> None:
        start, end = self.scenario.blind
        if not start <= self.next_scrape < end:
            decided = {name: (queue.good, queue.bad) for name, queue in self.queues.items()}
            self.store.scrape(self.next_scrape, decided)
        self.next_scrape += self.scrape

    def _decide(self) -> None:
        self._arrived(self.next_tick)
        wanted = self.pending[-1][1] if self.pending else self.w
        chosen = self.chooser.decide(self.next_tick, self.store, wanted)
        if chosen != wanted:
            self.changes.append((self.next_tick, chosen))
            self.pending.append((self.next_tick + self.scenario.acknowledge_after, chosen))
        self.next_tick += self.tick

    def _arrived(self, t: float) -> None:
        while self.pending and self.pending[0][0] <= t:
            self.w = self.pending.pop(0)[1]


def _highest(scenario: Scenario) -> float:
    return max(scenario.rate(t) for t in range(0, scenario.seconds, 10)) or math.inf


def _flips(changes: list[tuple[float, float]]) -> int:
    values = [1.0, *(w for _, w in changes)]
    steps = [b - a for a, b in pairwise(values) if b != a]
    return sum(a * b < 0 for a, b in pairwise(steps)) + bool(steps)


def _acted_after(changes: list[tuple[float, float]], fault_at: float | None) -> float | None:
    if fault_at is None:
        return None
    return next((at - fault_at for at, w in changes if at >= fault_at and w < 1), None)
