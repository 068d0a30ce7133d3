"""The loop around the queues: scrapes, ticks, replicas, and shares on their way to routers."""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tokenfleet.domain.routing.ir import BUCKETS
from tokenfleet.domain.slo.control.shares import baseline
from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.simulation.arrivals import Request
from tokenfleet.simulation.autoscaler import PERIOD, Scaling
from tokenfleet.simulation.fleet import Scenario, Stream
from tokenfleet.simulation.policies import Decider, Shares
from tokenfleet.simulation.pools import Attempt, Queue
from tokenfleet.simulation.profiles import ONE
from tokenfleet.simulation.scrapes import Book, Store

SCALED_FROM: Final = 600.0
"""Seconds until autoscalers begin: before, the pools are filling and the windows are half empty."""
CANCELLED: Final = Attempt(math.inf, math.inf, False, 0.5)
"""What a fickle client leaves."""
RETRY_AFTER: Final = 1.0
"""Seconds after a bad answer at which a client asks again."""


@dataclass(slots=True)
class Tally:
    """What the clients of one stream saw."""

    requests: int = 0
    bad: int = 0
    pools: dict[str, int] = field(default_factory=dict)
    """Pool -> requests that it answered, or should have."""
    minutes: dict[int, list[int]] = field(default_factory=dict)
    """Minute -> [requests, bad]."""

    def add(self, t: float, pool: str, *, good: bool) -> None:
        """Count one request."""
        self.requests += 1
        self.bad += not good
        self.pools[pool] = self.pools.get(pool, 0) + 1
        number = int(t // 60)
        minute = self.minutes.get(number)
        if minute is None:
            minute = self.minutes[number] = [0, 0]
        minute[0] += 1
        minute[1] += not good


@dataclass(slots=True, kw_only=True)
class Flow:
    """One stream's way to its pools."""

    stream: Stream
    tally: Tally
    books: Mapping[str, list[Book]]
    """Pool -> what is promised of its attempts."""
    parts: list[tuple[str, float]] = field(default_factory=list)
    """Pools that get something now, and how much."""

    def pool(self, place: float) -> str:
        """Return the pool of a place; the last one where rounding leaves a gap."""
        pool = ""
        for name, part in self.parts:
            pool = name
            place -= part
            if place < 0:
                break
        return pool


@dataclass(slots=True, kw_only=True)
class Loop:
    """One run, at one moment."""

    scenario: Scenario
    chooser: Decider
    queues: dict[str, Queue]
    store: Store
    routing: Random
    luck: Random
    scrape: float
    tick: float
    next_scrape: float
    next_tick: float
    next_sync: float = math.inf
    shares: Shares = field(default_factory=dict)
    scraped: int = 0
    first_scrape: float = 0.0
    scalings: dict[str, Scaling] = field(default_factory=dict)
    fewest: dict[str, int] = field(default_factory=dict)
    pending: list[tuple[float, Shares]] = field(default_factory=list)
    changes: dict[RuleKey, list[tuple[float, Mapping[str, float]]]] = field(default_factory=dict)
    flows: list[Flow] = field(default_factory=list)
    """One per stream."""
    due: float = 0.0
    """When something happens next that is no request."""
    crowd_from: float = 0.0
    crowded: list[Queue] = field(default_factory=list)

    def started(self) -> None:
        """Begin with the weights as written, the caches of backends warm."""
        self.first_scrape = self.next_scrape
        written: dict[RuleKey, dict[str, float]] = {}
        for stream in self.scenario.streams:
            rule = stream.rule
            parts = {pool: n / BUCKETS for pool, n in baseline(rule.backends).items()}
            written[rule.key] = {**parts, **dict.fromkeys(rule.fallbacks, 0.0)} | parts
            self.changes[rule.key] = [(0.0, written[rule.key])]
            for pool in rule.backends:
                self.queues[pool].used_to = 1.0
            books: dict[str, list[Book]] = {}
            for line, book in self.store.books.items():
                if line.rule == rule.key:
                    books.setdefault(line.pool, []).append(book)
            self.flows.append(Flow(stream=stream, tally=Tally(), books=books))
        self._redirect(0.0, written)
        for name, queue in self.queues.items():
            if queue.pool.others:
                self.crowded.append(queue)
            if queue.pool.autoscaler is not None:
                self.scalings[name] = Scaling(queue.pool.autoscaler, queue.pool.replicas)
                self.next_sync = SCALED_FROM

    def serve(self, request: Request, later: list[Request]) -> None:
        """Let one request be served, and be asked again where its client does."""
        t, flow = request.t, self.flows[request.stream]
        if t >= self.due:
            self._watch(t)
        if self.crowded:
            self._crowd(t)
        stream = flow.stream
        if stream.fickle and self.luck.random() < stream.fickle:
            self._cancelled(t, flow)
            return
        pool = flow.pool(request.place if request.place >= 0 else self.routing.random())
        good = self._attempt(t, flow, pool, request.fate)
        other = self._other(t, stream, pool)
        if other is not None:
            # A pool without any replica costs a failed attempt, and the router tries the next one.
            pool = other
            good = self._attempt(t, flow, pool, request.fate)
        flow.tally.add(t, pool, good=good)
        if not good and request.again < stream.retries:
            waited = self.scenario.objectives[0].threshold.total_seconds() + RETRY_AFTER
            heapq.heappush(later, request._replace(t=t + waited, again=request.again + 1))

    def _attempt(self, t: float, flow: Flow, pool: str, fate: float | None) -> bool:
        attempt = self.queues[pool].arrive(t, fate)
        good = True
        for book in flow.books[pool]:
            good = book.enter(t, attempt) and good
        return good

    def _cancelled(self, t: float, flow: Flow) -> None:
        for book in flow.books[flow.pool(self.routing.random())]:
            book.enter(t, CANCELLED)

    def _other(self, t: float, stream: Stream, pool: str) -> str | None:
        present = self.queues[pool].afflictions.present
        if present is ONE or present(t):
            return None
        others = (*stream.rule.backends, *stream.rule.fallbacks)
        return next(
            (o for o in others if o != pool and self.queues[o].afflictions.present(t)), None
        )

    def _crowd(self, t: float) -> None:
        """Let those come who do not come by the routers, up to now."""
        for queue in self.crowded:
            at = self.crowd_from
            while (at := at + queue.random.expovariate(queue.pool.others)) <= t:
                queue.crowd(at)
        self.crowd_from = t

    def _watch(self, t: float) -> None:
        """Scrape, scale and decide up to now."""
        while (due := min(self.next_scrape, self.next_tick, self.next_sync)) <= t:
            if due == self.next_scrape:
                self._scrape()
            elif due == self.next_tick:
                self._decide()
            else:
                self._scale(due)
        self._arrived(t)
        acknowledged = self.pending[0][0] if self.pending else math.inf
        self.due = min(self.next_scrape, self.next_tick, self.next_sync, acknowledged)

    def _scrape(self) -> None:
        at, scenario = self.next_scrape, self.scenario
        lost = scenario.dropped and self.luck.random() < scenario.dropped
        if not lost and not any(start <= at < end for start, end in scenario.blind):
            said = {name: queue.waiting(at) for name, queue in self.queues.items()}
            self.store.scrape(at, {name: n for name, n in said.items() if n is not None})
        self.scraped += 1
        early_or_late = scenario.jitter * (2 * self.luck.random() - 1) if scenario.jitter else 0.0
        self.next_scrape = self.first_scrape + self.scrape * (self.scraped + early_or_late)

    def _decide(self) -> None:
        self._arrived(self.next_tick)
        self.store.ready = {
            name: queue.ready(self.next_tick) for name, queue in self.queues.items()
        }
        wanted = self.pending[-1][1] if self.pending else self.shares
        chosen = self.chooser.decide(self.next_tick, self.store, wanted)
        if chosen != wanted:
            for rule, parts in chosen.items():
                if parts != wanted[rule]:
                    self.changes[rule].append((self.next_tick, parts))
            self.pending.append((self.next_tick + self.scenario.acknowledge_after, chosen))
        self.next_tick += self.tick

    def _scale(self, t: float) -> None:
        demand = sum(self.store.demand(t, stream.rule.key) for stream in self.scenario.streams)
        for name, scaling in self.scalings.items():
            queue = self.queues[name]
            used = queue.busy(t)
            if scaling.autoscaler.driven_by == "demand":
                each = queue.pool.capacity / queue.pool.replicas
                used = demand / (each * queue.replicas)
            queue.resize(t, scaling.desired(t, queue.replicas, used), scaling.autoscaler.startup)
            self.fewest[name] = min(queue.replicas, self.fewest.get(name, queue.replicas))
        self.next_sync = t + PERIOD

    def _arrived(self, t: float) -> None:
        while self.pending and self.pending[0][0] <= t:
            at, shares = self.pending.pop(0)
            self._redirect(at, shares)

    def _redirect(self, t: float, shares: Shares) -> None:
        self.shares = shares
        for flow in self.flows:
            mine = shares[flow.stream.rule.key]
            flow.parts = [(name, part) for name, part in mine.items() if part]
        for name, queue in self.queues.items():
            parts = [found[name] for found in shares.values() if name in found]
            queue.redirect(t, sum(parts) / len(parts) if parts else 0.0)
