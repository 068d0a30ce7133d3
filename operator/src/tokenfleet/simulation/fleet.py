"""A queueing model of two pools behind one rule: where requests wait, and when they turn bad.

A pool is k servers (the sequences an engine runs at once) with one FIFO queue and lognormal service
times: M/G/k. A request's first token comes when its service starts plus a prefill; it is bad when
that takes longer than the threshold, or when the pool answers with an error. Clients give up after
a while, which keeps an overloaded queue finite.

Service times are drawn at arrival, so one heap of the moments at which servers become free is the
whole state, and a request costs O(log k).
"""

import heapq
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

THRESHOLD: Final = 2.5
"""Seconds to the first token that are still good."""
TARGET: Final = 0.95
MEAN_SERVICE: Final = 8.0
"""Seconds; with k = 64 a pool bears 8 requests per second."""
SPREAD: Final = 0.5
"""Coefficient of variation of the service time."""
PREFILL: Final = 0.3
"""Seconds from the start of service to the first token."""
PATIENCE: Final = 60.0
"""Seconds after which a client that still waits gives up."""

Profile = Callable[[float], float]
"""Seconds since the start -> value."""


def constant(value: float) -> Profile:
    """Return a profile that never changes."""
    return lambda _: value


def during(start: float, end: float, value: float, otherwise: float) -> Profile:
    """Return a profile that differs between two moments."""
    return lambda t: value if start <= t < end else otherwise


ONE: Final[Profile] = constant(1.0)
ZERO: Final[Profile] = constant(0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """How one pool behaves over time."""

    servers: int = 64
    slowness: Profile = ONE
    """Factor on service and prefill."""
    errors: Profile = ZERO
    """Fraction of attempts answered with an error."""
    late: Profile = ZERO
    """Fraction of first tokens that are late for reasons of their own."""

    @property
    def capacity(self) -> float:
        """Return requests per second at full use."""
        return self.servers / MEAN_SERVICE


@dataclass(slots=True)
class Queue:
    """One pool at work."""

    pool: Pool
    random: Random
    free: list[float] = field(default_factory=list)
    """When each server becomes free; a heap."""
    good: dict[int, int] = field(default_factory=dict)
    """Second -> attempts that were decided as good in it."""
    bad: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start empty."""
        self.free = [0.0] * self.pool.servers

    def arrive(self, t: float) -> bool:
        """Serve one attempt; return whether it was good."""
        if self.random.random() < self.pool.errors(t):
            return self._decided(t + 0.05, good=False)
        begin = max(t, self.free[0])
        if begin - t > PATIENCE:
            return self._decided(t + THRESHOLD, good=False)
        slow = self.pool.slowness(t)
        heapq.heapreplace(self.free, begin + slow * self._service())
        first_token = begin - t + slow * PREFILL
        if self.random.random() < self.pool.late(t):
            first_token += THRESHOLD
        good = first_token <= THRESHOLD
        return self._decided(t + min(first_token, THRESHOLD), good=good)

    def _service(self) -> float:
        sigma = math.sqrt(math.log(1 + SPREAD * SPREAD))
        return self.random.lognormvariate(math.log(MEAN_SERVICE) - sigma * sigma / 2, sigma)

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
    fault_at: float | None = None
    """When the cause begins, for the time to act."""
    blind: tuple[float, float] = (0.0, 0.0)
    """Prometheus is out between these."""
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
