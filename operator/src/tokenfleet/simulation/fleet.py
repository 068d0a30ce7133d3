"""A queueing model of two pools behind one rule: where requests wait, and when they turn bad.

A pool is k servers (the sequences an engine runs at once) with one FIFO queue and lognormal service
times: M/G/k. A request's first token comes when its service starts plus a prefill; it is bad when
that takes longer than the threshold, or when the pool answers with an error. A client that waits
longer than its patience is gone before it is served, which keeps an overloaded queue finite.

Service times are drawn at arrival, so one heap of the moments at which servers become free is the
whole state, and a request costs O(log k). An autoscaler adds servers, busy until they have started,
and takes away idle ones.

A conversation that comes to a pool for the first time finds no prefix in its caches. The model
keeps one number for that: the part of all traffic that a pool is used to. What it gets beyond that
is cold; getting used takes minutes, forgetting longer.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tokenfleet.simulation.autoscaler import Autoscaler

THRESHOLD: Final = 2.5
"""Seconds to the first token that are still good, where a scenario does not say otherwise."""
TARGET: Final = 0.95
MEAN_SERVICE: Final = 8.0
"""Seconds; with k = 64 a pool bears 8 requests per second."""
SPREAD: Final = 0.5
"""Coefficient of variation of the service time."""
PREFILL: Final = 0.3
"""Seconds from the start of service to the first token."""
PATIENCE: Final = 60.0
"""Mean seconds after which a client that waits gives up; uniform from half to 1.5 of it."""
WARMING: Final = 120.0
"""Time constant in seconds with which caches get used to more traffic."""
COOLING: Final = 1200.0
"""Time constant in seconds with which caches forget traffic that left."""

Profile = Callable[[float], float]
"""Seconds since the start -> value."""


def constant(value: float) -> Profile:
    """Return a profile that never changes."""
    return lambda _: value


def during(start: float, end: float, value: float, otherwise: float) -> Profile:
    """Return a profile that differs between two moments."""
    return lambda t: value if start <= t < end else otherwise


def on_and_off(start: float, end: float, period: float, value: float, otherwise: float) -> Profile:
    """Return a profile that differs in the first half of every period between two moments."""
    return lambda t: value if start <= t < end and (t - start) % period < period / 2 else otherwise


ONE: Final[Profile] = constant(1.0)
ZERO: Final[Profile] = constant(0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """How one pool behaves over time."""

    servers: int = 64
    mean_service: float = MEAN_SERVICE
    spread: float = SPREAD
    prefill: float = PREFILL
    slowness: Profile = ONE
    """Factor on service and prefill."""
    errors: Profile = ZERO
    """Fraction of attempts answered with an error."""
    late: Profile = ZERO
    """Fraction of first tokens that are late for reasons of their own."""
    cold: float = 1.0
    """Factor on service and prefill of conversations that come to the pool for the first time."""
    present: Profile = ONE
    """0 while the pool has no replica at all."""
    others: Profile = ZERO
    """Requests per second that come past the routers; nobody counts them."""
    replicas: int = 1
    """Replicas at the start; `servers` is the sum over all of them."""
    autoscaler: Autoscaler | None = None

    @property
    def capacity(self) -> float:
        """Return requests per second at full use with the replicas of the start."""
        return self.servers / self.mean_service


@dataclass(slots=True)
class Queue:
    """One pool at work."""

    pool: Pool
    random: Random
    threshold: float = THRESHOLD
    patience: float = PATIENCE
    free: list[float] = field(default_factory=list)
    """When each server becomes free; a heap."""
    good: dict[int, int] = field(default_factory=dict)
    """Second -> attempts that were decided as good in it."""
    bad: dict[int, int] = field(default_factory=dict)
    replicas: int = 1
    starting: list[float] = field(default_factory=list)
    """When replicas that were added will serve."""
    used_to: float = 0.0
    """Part of all traffic whose conversations are in the caches."""
    share: float = 0.0
    begins: deque[float] = field(default_factory=deque)
    """When service begins of those that had to wait; the queue is FIFO, so they are in order."""
    _mu: float = 0.0
    _sigma: float = 0.0
    _warmed: float = 0.0

    def __post_init__(self) -> None:
        """Start empty."""
        self.free = [0.0] * self.pool.servers
        self.replicas = self.pool.replicas
        self._sigma = math.sqrt(math.log(1 + self.pool.spread * self.pool.spread))
        self._mu = math.log(self.pool.mean_service) - self._sigma * self._sigma / 2

    def arrive(self, t: float) -> bool:
        """Serve one attempt; return whether it was good."""
        pool = self.pool
        if pool.present is not ONE and not pool.present(t):
            return self._decided(t + 0.05, good=False)
        if pool.errors is not ZERO and self.random.random() < pool.errors(t):
            return self._decided(t + 0.05, good=False)
        begin = self._begin(t)
        if begin is None:
            return self._decided(t + self.threshold, good=False)
        slow = pool.slowness(t) if pool.slowness is not ONE else 1.0
        if pool.cold > 1 and self._is_cold(t):
            slow *= pool.cold
        self._occupy(t, begin, slow)
        first_token = begin - t + slow * pool.prefill
        if pool.late is not ZERO and self.random.random() < pool.late(t):
            first_token += self.threshold
        good = first_token <= self.threshold
        return self._decided(t + min(first_token, self.threshold), good=good)

    def crowd(self, t: float) -> None:
        """Serve one request that came past the routers."""
        begin = self._begin(t)
        if begin is not None:
            self._occupy(t, begin, 1.0)

    def redirect(self, t: float, share: float) -> None:
        """Note the part of all traffic that comes here from now on."""
        self._warm(t)
        self.share = share

    def ready(self, t: float) -> int:
        """Return the replicas that serve."""
        self.starting = [at for at in self.starting if at > t]
        return (self.replicas - len(self.starting)) if self.pool.present(t) else 0

    def waiting(self, t: float) -> float:
        """Return the requests that wait for each replica, as its engine would say."""
        while self.begins and self.begins[0] <= t:
            self.begins.popleft()
        return len(self.begins) / max(1, self.ready(t))

    def busy(self, t: float) -> float:
        """Return the part of the servers that work, or will before t."""
        return sum(at > t for at in self.free) / len(self.free)

    def resize(self, t: float, replicas: int, startup: float) -> None:
        """Add replicas that serve after `startup`, or take idle servers away."""
        each = self.pool.servers // self.pool.replicas
        for _ in range(replicas, self.replicas):
            for _ in range(each):
                heapq.heappop(self.free)  # the one that is idle longest
        for _ in range(self.replicas, replicas):
            self.starting.append(t + startup)
            for _ in range(each):
                heapq.heappush(self.free, t + startup)
        self.replicas = replicas

    def _begin(self, t: float) -> float | None:
        """Return when service would begin; None where the client's patience ends before."""
        begin = max(t, self.free[0])
        if begin - t > self.patience / 2 and begin - t > self.patience * (
            0.5 + self.random.random()
        ):
            return None
        return begin

    def _occupy(self, t: float, begin: float, slow: float) -> None:
        if begin > t:
            self.begins.append(begin)
        service = self.random.lognormvariate(self._mu, self._sigma)
        heapq.heapreplace(self.free, begin + slow * service)

    def _is_cold(self, t: float) -> bool:
        self._warm(t)
        unknown = max(0.0, self.share - self.used_to)
        return self.share > 0 and self.random.random() < unknown / self.share

    def _warm(self, t: float) -> None:
        constant = WARMING if self.share > self.used_to else COOLING
        near = math.exp(-max(0.0, t - self._warmed) / constant)
        self.used_to = self.share + (self.used_to - self.share) * near
        self._warmed = t

    def _decided(self, at: float, *, good: bool) -> bool:
        second = math.ceil(at)
        side = self.good if good else self.bad
        side[second] = side.get(second, 0) + 1
        return good


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens, for how long."""

    name: str
    says: str
    seconds: int
    rate: Profile
    """Requests per second."""
    primary: Pool
    fallback: Pool
    threshold: float = THRESHOLD
    patience: float = PATIENCE
    retries: int = 0
    """How often a client asks again, a second after a bad answer."""
    fault_at: float | None = None
    """When the cause begins, for the time to act."""
    blind: tuple[tuple[float, float], ...] = ()
    """Prometheus is out between these."""
    dropped: float = 0.0
    """Fraction of scrapes that fail."""
    jitter: float = 0.0
    """Largest part of the interval by which a scrape is early or late."""
    acknowledge_after: float = 1.0
    """Seconds from a decision to all routers."""
    capacity_error: float = 1.0
    """Declared capacity of the fallback, as a factor of the true one; 0 means undeclared."""


@dataclass(slots=True)
class Tally:
    """What clients saw."""

    requests: int = 0
    bad: int = 0
    on_fallback: int = 0
    minutes: dict[int, list[int]] = field(default_factory=dict)
    """Minute -> [requests, bad]."""

    def add(self, t: float, *, good: bool, fallback: bool) -> None:
        """Count one request."""
        self.requests += 1
        self.bad += not good
        self.on_fallback += fallback
        minute = self.minutes.setdefault(int(t // 60), [0, 0])
        minute[0] += 1
        minute[1] += not good

    @property
    def violating(self) -> int:
        """Return the minutes that spent more than their budget."""
        pairs: Mapping[int, list[int]] = self.minutes
        return sum(bad > (1 - TARGET) * n for n, bad in pairs.values())
