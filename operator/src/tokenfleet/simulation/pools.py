"""Pools at work: where requests wait, and when their first token comes.

A pool is k servers (the sequences an engine runs at once) and lognormal service times. A request's
first token comes when its service starts plus a prefill. How a pool slows down when more comes than
it bears is not known of anybody's engines beforehand, so there are three answers:

    ==========  ==================================================================================
    overload    what more than k at once does
    ==========  ==================================================================================
    `Queue`     the rest waits in one FIFO queue: M/G/k
    `Sharing`   all are served at once, each slower by as much as there are too many: processor
                sharing (Kleinrock 1967), as an engine that batches without a limit
    `Linear`    nobody waits; from 0.9 of the capacity on first tokens are late, the more the
                further, a quarter of them for each tenth of the capacity
    ==========  ==================================================================================

A client whose first token does not come within its patience leaves, which keeps an overloaded queue
finite, unless the engine does not notice and works on; a client without patience never leaves.
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
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple

from tokenfleet.domain.slo.observation.measurement import TokenPrices
from tokenfleet.simulation.autoscaler import Autoscaler
from tokenfleet.simulation.profiles import ONE, SOUND, ZERO, Afflictions

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
REFUSED: Final = 0.05
"""Seconds until an error is answered."""
ENOUGH: Final = 0.9
"""Part of its capacity from which first tokens of a `Linear` pool are late."""
LATER: Final = 2.5
"""Part of first tokens that are late for each capacity more of it."""
RECENT: Final = 30.0
"""Seconds over which a `Linear` pool's load is averaged."""


class Overload(StrEnum):
    """What happens to more than a pool bears."""

    QUEUE = "Queue"
    SHARING = "Sharing"
    LINEAR = "Linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What one pool is."""

    servers: int = 64
    """Sequences at once, over all replicas."""
    mean_service: float = MEAN_SERVICE
    spread: float = SPREAD
    prefill: float = PREFILL
    overload: Overload = Overload.QUEUE
    speaks: bool = True
    """Whether its engines say how many requests wait for them."""
    notices: bool = True
    """Whether engines drop what its client has given up; else they serve it all the same."""
    cold: float = 1.0
    """Factor on service and prefill of conversations that come to the pool for the first time."""
    others: float = 0.0
    """Requests per second that come past the routers; nobody counts them."""
    declared: float = 1.0
    """Declared capacity, as a factor of the true one; 0: not declared."""
    replicas: int = 1
    """Replicas at the start."""
    autoscaler: Autoscaler | None = None
    external: bool = False
    """It is a provider's."""
    prices: TokenPrices | None = None
    """Of one token each; None: nobody knows."""

    @property
    def capacity(self) -> float:
        """Return requests per second at full use with the replicas of the start."""
        return self.servers / self.mean_service


class Attempt(NamedTuple):
    """What becomes of one attempt, all in seconds after it came; infinite: never."""

    first: float
    """First token."""
    end: float
    """Last token, or the error."""
    failed: bool
    leaves: float
    """When its client gives up, unless the first token has come."""


@dataclass(slots=True)
class Queue:
    """One pool at work."""

    pool: Pool
    random: Random
    patience: float = PATIENCE
    afflictions: Afflictions = SOUND
    free: list[float] = field(default_factory=list)
    """When each server becomes free, a heap; for `Sharing`, the virtual time at which each request
    is done."""
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
    _load: float = 0.0
    """Requests per second of the last `RECENT` seconds (`Linear`)."""
    _at: float = 0.0
    _served: float = 0.0
    """Virtual time: the service that each request has had since the start (`Sharing`)."""

    def __post_init__(self) -> None:
        """Start empty."""
        pool = self.pool
        self.free = [0.0] * pool.servers if pool.overload is Overload.QUEUE else []
        self.replicas = pool.replicas
        self._sigma = math.sqrt(math.log(1 + pool.spread * pool.spread))
        self._mu = math.log(pool.mean_service) - self._sigma * self._sigma / 2

    def arrive(self, t: float, fate: float | None = None) -> Attempt:
        """Serve one attempt.

        Args:
            t: seconds since the start.
            fate: 0..1, what a conversation shares: the lower, the sooner a fault hits it; None: by
                chance.
        """
        wrong = self.afflictions
        if wrong is SOUND:
            return self._served_at(t, 1.0)
        if wrong.present is not ONE and not wrong.present(t):
            return Attempt(math.inf, REFUSED, True, math.inf)
        if wrong.errors is not ZERO and self._hit(fate) < wrong.errors(t):
            return Attempt(math.inf, REFUSED, True, math.inf)
        if wrong.hangs is not ZERO and wrong.hangs(t):
            return Attempt(math.inf, math.inf, False, self._gives_up())
        slow = wrong.slowness(t) if wrong.slowness is not ONE else 1.0
        attempt = self._served_at(t, slow)
        if wrong.late is not ZERO and self._hit(fate) < wrong.late(t):
            return attempt._replace(first=math.inf, leaves=math.inf)
        return attempt

    def crowd(self, t: float) -> None:
        """Serve one request that came past the routers."""
        self._served_at(t, 1.0)

    def redirect(self, t: float, share: float) -> None:
        """Note the part of all traffic that comes here from now on."""
        self._warm(t)
        self.share = share

    def ready(self, t: float) -> int:
        """Return the replicas that serve."""
        self.starting = [at for at in self.starting if at > t]
        return (self.replicas - len(self.starting)) if self.afflictions.present(t) else 0

    def waiting(self, t: float) -> float | None:
        """Return the requests that wait for each replica; None where its engines do not say."""
        if not self.pool.speaks:
            return None
        if self.pool.overload is Overload.SHARING:
            self._share_until(t)
            waiting = float(max(0, len(self.free) - self.pool.servers))
        elif self.pool.overload is Overload.LINEAR:
            waiting = max(0.0, self._load_at(t) - self.pool.capacity) * self.pool.mean_service
        else:
            while self.begins and self.begins[0] <= t:
                self.begins.popleft()
            waiting = float(len(self.begins))
        return waiting / max(1, self.ready(t))

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

    def _served_at(self, t: float, slow: float) -> Attempt:
        if self.pool.overload is Overload.SHARING:
            return self._shared(t, slow)
        if self.pool.overload is Overload.LINEAR:
            return self._unqueued(t, slow)
        begin = max(t, self.free[0])
        if begin - t > self.patience / 2 and begin - t > (leaves := self._gives_up()):
            if not self.pool.notices:
                self._occupy(begin, slow)
            return Attempt(math.inf, math.inf, False, leaves)
        if self.pool.cold > 1:
            slow *= self._coldness(t)
        if begin > t:
            self.begins.append(begin)
        service = self._occupy(begin, slow)
        waited = begin - t
        return Attempt(waited + slow * self.pool.prefill, waited + service, False, math.inf)

    def _occupy(self, begin: float, slow: float) -> float:
        service = slow * math.exp(self.random.normalvariate(self._mu, self._sigma))
        heapq.heapreplace(self.free, begin + service)
        return service

    def _shared(self, t: float, slow: float) -> Attempt:
        """Serve at once; by the present crowd, which changes little until the first token."""
        self._share_until(t)
        slow *= self._coldness(t)
        crowd = max(1.0, (len(self.free) + 1) / self.pool.servers)
        first = slow * crowd * self.pool.prefill
        leaves = math.inf
        if first > self.patience / 2 and first > (leaves := self._gives_up()) and self.pool.notices:
            return Attempt(math.inf, math.inf, False, leaves)
        service = slow * self.random.lognormvariate(self._mu, self._sigma)
        heapq.heappush(self.free, self._served + service)
        if first > leaves:
            return Attempt(math.inf, math.inf, False, leaves)
        return Attempt(first, crowd * service, False, math.inf)

    def _share_until(self, t: float) -> None:
        """Let virtual time run: as fast as real time, slower by as much as there are too many."""
        while self.free:
            pace = min(1.0, self.pool.servers / len(self.free))
            due = self._at + (self.free[0] - self._served) / pace
            if due > t:
                self._served += (t - self._at) * pace
                break
            self._served, self._at = self.free[0], due
            heapq.heappop(self.free)
        self._at = max(self._at, t)

    def _unqueued(self, t: float, slow: float) -> Attempt:
        """Serve whatever the load; the more there is, the more first tokens are late."""
        self._load = self._load_at(t) + 1 / RECENT
        self._at = max(self._at, t)
        slow *= self._coldness(t)
        late = LATER * (slow * self._load / self.pool.capacity - ENOUGH)
        service = slow * self.random.lognormvariate(self._mu, self._sigma)
        if self.random.random() < late:
            return Attempt(math.inf, service, False, self._gives_up())
        return Attempt(self.pool.prefill, service, False, math.inf)

    def _load_at(self, t: float) -> float:
        return self._load * math.exp(-max(0.0, t - self._at) / RECENT)

    def _hit(self, fate: float | None) -> float:
        return self.random.random() if fate is None else fate

    def _gives_up(self) -> float:
        if self.patience == math.inf:
            return math.inf
        return self.patience * (0.5 + self.random.random())

    def _coldness(self, t: float) -> float:
        if self.pool.cold <= 1:
            return 1.0
        self._warm(t)
        unknown = max(0.0, self.share - self.used_to)
        is_cold = self.share > 0 and self.random.random() < unknown / self.share
        return self.pool.cold if is_cold else 1.0

    def _warm(self, t: float) -> None:
        constant = WARMING if self.share > self.used_to else COOLING
        near = math.exp(-max(0.0, t - self._warmed) / constant)
        self.used_to = self.share + (self.used_to - self.share) * near
        self._warmed = t
