"""Runs one scenario under one decider.

Arrivals, routing and each pool draw from streams of their own, so that two policies meet the same
clients as long as they treat them alike.
"""

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Final

from tokenfleet.simulation.autoscaler import PERIOD, Scaling
from tokenfleet.simulation.fleet import ZERO, Queue, Scenario, Tally
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
OTHER: Final = {"primary": "fallback", "fallback": "primary"}
SCALED_FROM: Final = 600.0
"""Seconds until autoscalers begin: before, the pools are filling and the windows are half empty."""
RETRY_AFTER: Final = 1.0
"""Seconds after a bad answer at which a client asks again."""


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
    minutes: tuple[tuple[int, int], ...] = field(repr=False)
    """(requests, bad) of every minute."""
    decisions: tuple[tuple[float, str], ...] = field(repr=False)
    """(second, transition) of our engine; empty for the others."""


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
    streams = _streams(f"{scenario.name} {seed}")
    luck, routing = next(streams), next(streams)
    judge = chooser or decider(policy, scenario)
    fleet = _Fleet(
        scenario=scenario,
        chooser=judge,
        queues={
            name: Queue(pool, next(streams), scenario.threshold, scenario.patience)
            for name, pool in (("primary", scenario.primary), ("fallback", scenario.fallback))
        },
        store=Store(
            pools=("primary", "fallback"),
            threshold=timedelta(seconds=scenario.threshold),
            interval=scrape,
        ),
        luck=next(streams),
        scrape=scrape,
        tick=tick,
        # Where scrapes and ticks fall relative to the cause is luck.
        next_scrape=scrape * luck.random(),
        next_tick=1 + tick * luck.random(),
    )
    fleet.started()
    tally = Tally()
    asked: list[tuple[float, int]] = []
    for arrival in _arrivals(scenario, next(streams)):
        heapq.heappush(asked, (arrival, 0))
        while asked and asked[0][0] <= arrival:
            t, again = heapq.heappop(asked)
            fleet.watch(t)
            fleet.crowd(t)
            good, pool = fleet.serve(t, "primary" if routing.random() < fleet.w else "fallback")
            tally.add(t, good=good, fallback=pool == "fallback")
            if not good and again < scenario.retries:
                late = t + scenario.threshold + RETRY_AFTER
                heapq.heappush(asked, (late, again + 1))
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
        minutes=tuple(
            (tally.minutes[m][0], tally.minutes[m][1]) if m in tally.minutes else (0, 0)
            for m in range(math.ceil(scenario.seconds / 60))
        ),
        decisions=tuple(judge.transitions) if isinstance(judge, Ours) else (),
    )


@dataclass(slots=True, kw_only=True)
class _Fleet:
    """The loop around the queues: scrapes, ticks, replicas, and shares on their way to routers."""

    scenario: Scenario
    chooser: Decider
    queues: dict[str, Queue]
    store: Store
    luck: Random
    scrape: float
    tick: float
    next_scrape: float
    next_tick: float
    next_sync: float = math.inf
    w: float = 1.0
    scraped: int = 0
    first_scrape: float = 0.0
    scalings: dict[str, Scaling] = field(default_factory=dict)
    pending: list[tuple[float, float]] = field(default_factory=list)
    changes: list[tuple[float, float]] = field(default_factory=list)
    crowd_from: float = 0.0

    def started(self) -> None:
        """Begin with everything on the primary, its caches warm."""
        self.first_scrape = self.next_scrape
        self.queues["primary"].used_to = 1.0
        self._redirect(0.0, 1.0)
        for name, queue in self.queues.items():
            if queue.pool.autoscaler is not None:
                self.scalings[name] = Scaling(queue.pool.autoscaler, queue.pool.replicas)
                self.next_sync = SCALED_FROM

    def serve(self, t: float, pool: str) -> tuple[bool, str]:
        """Let one request be served; return whether it was good, and the pool that answered.

        A pool without any replica costs a failed attempt, and the router tries the other one.
        """
        queue = self.queues[pool]
        good = queue.arrive(t)
        if not queue.pool.present(t) and self.queues[OTHER[pool]].pool.present(t):
            pool = OTHER[pool]
            good = self.queues[pool].arrive(t)
        return good, pool

    def crowd(self, t: float) -> None:
        """Let those come who do not come by the routers, up to now."""
        for queue in self.queues.values():
            others = queue.pool.others
            at = self.crowd_from
            while others is not ZERO and (rate := others(at)) > 0:
                at += queue.random.expovariate(rate)
                if at > t:
                    break
                queue.crowd(at)
        self.crowd_from = t

    def watch(self, t: float) -> None:
        """Scrape, scale and decide up to now."""
        while (due := min(self.next_scrape, self.next_tick, self.next_sync)) <= t:
            if due == self.next_scrape:
                self._scrape()
            elif due == self.next_tick:
                self._decide()
            else:
                self._scale(due)
        self._arrived(t)

    def _scrape(self) -> None:
        at, scenario = self.next_scrape, self.scenario
        lost = scenario.dropped and self.luck.random() < scenario.dropped
        if not lost and not any(start <= at < end for start, end in scenario.blind):
            decided = {name: (queue.good, queue.bad) for name, queue in self.queues.items()}
            waiting = {name: queue.waiting(at) for name, queue in self.queues.items()}
            self.store.scrape(at, decided, waiting)
        self.scraped += 1
        early_or_late = scenario.jitter * (2 * self.luck.random() - 1) if scenario.jitter else 0.0
        self.next_scrape = self.first_scrape + self.scrape * (self.scraped + early_or_late)

    def _decide(self) -> None:
        self._arrived(self.next_tick)
        self.store.ready = {
            name: queue.ready(self.next_tick) for name, queue in self.queues.items()
        }
        wanted = self.pending[-1][1] if self.pending else self.w
        chosen = self.chooser.decide(self.next_tick, self.store, wanted)
        if chosen != wanted:
            self.changes.append((self.next_tick, chosen))
            self.pending.append((self.next_tick + self.scenario.acknowledge_after, chosen))
        self.next_tick += self.tick

    def _scale(self, t: float) -> None:
        for name, scaling in self.scalings.items():
            queue = self.queues[name]
            used = queue.busy(t)
            if scaling.autoscaler.driven_by == "demand":
                each = queue.pool.capacity / queue.pool.replicas
                used = self.store.demand(t) / (each * queue.replicas)
            queue.resize(t, scaling.desired(t, queue.replicas, used), scaling.autoscaler.startup)
        self.next_sync = t + PERIOD

    def _arrived(self, t: float) -> None:
        while self.pending and self.pending[0][0] <= t:
            at, w = self.pending.pop(0)
            self._redirect(at, w)

    def _redirect(self, t: float, w: float) -> None:
        self.w = w
        self.queues["primary"].redirect(t, w)
        self.queues["fallback"].redirect(t, 1 - w)


def _streams(name: str) -> Iterator[Random]:
    number = 0
    while True:
        yield Random(f"{name} {number}")  # noqa: S311 - a model, not a secret
        number += 1


def _arrivals(scenario: Scenario, random: Random) -> Iterator[float]:
    highest = max(scenario.rate(t) for t in range(0, scenario.seconds, 10)) or math.inf
    t = random.expovariate(highest)
    while t < scenario.seconds:
        if random.random() * highest <= scenario.rate(t):  # thinning: Poisson of a changing rate
            yield t
        t += random.expovariate(highest)


def _flips(changes: list[tuple[float, float]]) -> int:
    values = [1.0, *(w for _, w in changes)]
    steps = [b - a for a, b in pairwise(values) if b != a]
    return sum(a * b < 0 for a, b in pairwise(steps)) + bool(steps)


def _acted_after(changes: list[tuple[float, float]], fault_at: float | None) -> float | None:
    if fault_at is None:
        return None
    return next((at - fault_at for at, w in changes if at >= fault_at and w < 1), None)
