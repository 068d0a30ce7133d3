"""What happens to a fleet: streams of requests, pools, faults, and what is promised."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec, Windows
from tokenfleet.domain.slo.observation.measurement import (
    NO_THRESHOLD,
    PoolFacts,
    RuleKey,
    RuleTarget,
    Signal,
    Usage,
)
from tokenfleet.simulation.pools import PATIENCE, Pool
from tokenfleet.simulation.profiles import Afflictions, Fault, Profile, afflicted

THRESHOLD: Final = 2.5
"""Seconds to the first token that are still good, where a scenario does not say otherwise."""
TARGET: Final = 0.95
PROMPT: Final = 1000
"""Mean prompt tokens of a request."""
TOKENS: Final = 250
"""Mean tokens of an answer after its first one."""
RULE: Final = RuleKey("simulation", "chat", "all")
"""The rule of a scenario that does not bring its own."""
PRIMARY: Final = "primary"
WINDOWS: Final = Windows(short=timedelta(minutes=1), long=timedelta(minutes=3))
"""The defaults of the API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The requests to one rule."""

    rate: Profile
    """Requests per second."""
    rule: RuleTarget
    turns: int = 1
    """Requests of one conversation, which share a pool and a fate."""
    gap: float = 20.0
    """Mean seconds between two turns."""
    retries: int = 0
    """How often a client asks again, a second after a bad answer."""
    fickle: float = 0.0
    """Part of clients that cancel at once, wherever they are; nobody's fault."""
    prompt: int = PROMPT
    """Mean prompt tokens of a request."""
    completion: int = TOKENS
    """Mean tokens of an answer."""

    @property
    def answer(self) -> Usage:
        """Return what one answer uses."""
        return Usage(requests=1, prompt=self.prompt, completion=self.completion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens, for how long."""

    name: str
    says: str
    seconds: int
    streams: tuple[Stream, ...]
    pools: Mapping[str, Pool]
    """By name, without their namespace; that of the rules."""
    faults: tuple[Fault, ...] = ()
    objectives: tuple[ObjectiveSpec, ...]
    patience: float = PATIENCE
    """Mean seconds that clients wait for a first token; infinite: they never leave."""
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

    @property
    def stream(self) -> Stream:
        """Return the first stream; scenarios without objects of a user's have no other."""
        return self.streams[0]

    @property
    def primary(self) -> Pool:
        """Return the first backend of the first stream."""
        return self.pools[next(iter(self.stream.rule.backends))]

    @property
    def fallback(self) -> Pool | None:
        """Return the first fallback of the first stream."""
        return next((self.pools[name] for name in self.stream.rule.fallbacks), None)

    def afflictions(self, pool: str, seed: str = "") -> Afflictions:
        """Return what the faults make of a pool; equal seeds, equal draws."""
        return afflicted((fault for fault in self.faults if fault.pool == pool), f"{seed} {pool}")

    def facts(self, ready: Mapping[str, int]) -> dict[str, PoolFacts]:
        """Return what Kubernetes says of the pools."""
        namespace = self.stream.rule.key.namespace
        return {
            f"{namespace}/{name}": PoolFacts(
                ready=ready[name],
                desired=ready[name],
                capacity=pool.capacity * pool.declared / pool.replicas if pool.declared else None,
                tokens=pool.prices,
                external=pool.external,
            )
            for name, pool in self.pools.items()
        }


def chat(
    rate: Profile, pools: Mapping[str, Pool], *, turns: int = 1, gap: float = 20.0, retries: int = 0
) -> Stream:
    """Return a stream to one rule: all to the first pool, the others stand by in their order."""
    primary, *chain = pools
    return Stream(
        rate=rate,
        rule=RuleTarget(key=RULE, backends={primary: 1}, fallbacks=tuple(chain)),
        turns=turns,
        gap=gap,
        retries=retries,
    )


def promise(
    signal: Signal = Signal.TTFT,
    *,
    threshold: float = THRESHOLD,
    target: float = TARGET,
    windows: Windows = WINDOWS,
    most: float | None = None,
) -> ObjectiveSpec:
    """Return the objective of a scenario: on first tokens where it says nothing else.

    Args:
        signal: what is promised.
        threshold: seconds; errors have none.
        target: fraction of good attempts.
        windows: those of the API where nothing is said.
        most: money per hour that shifts may cost at providers; None: no limit.
    """
    return ObjectiveSpec(
        namespace=RULE.namespace,
        name="errors" if signal is Signal.ERRORS else "first-token",
        route=RULE.route,
        rule=RULE.rule,
        signal=signal,
        threshold=NO_THRESHOLD if signal is Signal.ERRORS else timedelta(seconds=threshold),
        target=target,
        windows=windows,
        shifts=True,
        max_cost_per_hour=most,
    )
