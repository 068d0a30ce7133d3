"""What one tick sees: the input of a decision, without any judgement.

A rule's traffic is measured by attempt: one try of a request on one pool. A `Tally` counts attempts
in one window; a row that Prometheus does not have is absent here, which is not the same as zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from tokenfleet.domain.routing.rule_slices import WHOLE, Slice, rule_of_name


class Signal(StrEnum):
    """What is looked at in an attempt to call it good or bad."""

    TTFT = "TimeToFirstToken"
    END_TO_END = "EndToEnd"
    TPOT = "TimePerOutputToken"
    ERRORS = "Errors"


NO_THRESHOLD = timedelta(0)
"""Stands for the threshold of errors, which have none."""


class RuleKey(NamedTuple):
    """Address of a rule."""

    namespace: str
    route: str
    rule: str

    def __str__(self) -> str:
        """Return `namespace/route/rule`."""
        return "/".join(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Shares that a user fixed by hand."""

    weights: Mapping[str, int]
    """Pool -> weight; at least one is above 0."""
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTarget:
    """One rule of one route, as its user wrote it."""

    key: RuleKey
    backends: Mapping[str, int]
    """Pool -> weight, in spec order."""
    fallbacks: tuple[str, ...] = ()
    """Pools that may stand in, in order; only those that can serve the rule."""
    control: Literal["Auto", "Disabled"] = "Auto"
    """Disabled: the weights as written."""
    pin: Pin | None = None
    """Wins over `control` until it expires."""
    scope: Slice = WHOLE
    """Requests that it takes, as far as their labels say."""

    @property
    def base(self) -> RuleKey:
        """Return the rule that it is, or is a slice of."""
        name = rule_of_name(self.key.rule)
        return self.key if name == self.key.rule else self.key._replace(rule=name)


class TokenPrices(NamedTuple):
    """Prices of one token each."""

    prompt: float
    cached: float
    completion: float
    written: float
    """Of prompt tokens that are written to a cache which is paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """What Kubernetes says about a pool now."""

    ready: int
    """Ready endpoints."""
    desired: int
    """Wanted replicas; equal to `ready` where nobody says (Existing pools)."""
    capacity: float | None = None
    """Sustainable requests per second of one replica; None means unknown."""
    tokens: TokenPrices | None = None
    hourly: float | None = None
    """Price of one replica for one hour; None where tokens have prices, or nothing has."""
    external: bool = False
    """It is a provider's: each request costs money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterReplica:
    """One router pod whose measurements are expected."""

    namespace: str
    pod: str
    since: datetime
    """When it became ready: nothing is expected of the time before."""


class Tally(NamedTuple):
    """Attempts of one pool, feature and request type in one window, by threshold.

    By its first token an attempt is good when that came within the threshold, and bad when the
    threshold passed or the attempt failed without one; it is counted at that moment. By the other
    signals it is counted when it has ended, and bad when it failed. Numbers are extrapolated by
    Prometheus and therefore fractional.
    """

    good: Mapping[timedelta, float]
    bad: Mapping[timedelta, float]
    abandoned: float = 0.0
    """Attempts that the client gave up, whether or not a first token had come; by first tokens
    only."""

    @property
    def total(self) -> float:
        """Return the attempts seen, by the threshold that saw most."""
        thresholds = {*self.good, *self.bad}
        sums = (self.good.get(t, 0.0) + self.bad.get(t, 0.0) for t in thresholds)
        return max(sums, default=0.0)


class Slots(NamedTuple):
    """What came before: attempts in one slot after the other, the newest first; whole numbers."""

    good: tuple[int, ...]
    bad: tuple[int, ...]


NO_SLOTS: Final = Slots((), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The attempts of one pool under one pair of labels, by one signal."""

    pool: str
    signal: Signal = Signal.TTFT
    feature: str = ""
    """Empty where the query did not split by labels."""
    request_type: str = ""
    windows: Mapping[timedelta, Tally]
    """Window -> attempts in it; a window without rows is absent."""
    slots: Mapping[tuple[timedelta, timedelta], Slots] = field(default_factory=dict)
    """(length of a slot, threshold) -> what came before (history.py)."""
    broken: bool = False
    """True: a value was not a finite number of at least 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The distribution of a signal over all pools of a rule, for one pair of labels."""

    signal: Signal = Signal.TTFT
    feature: str = ""
    request_type: str = ""
    window: timedelta
    buckets: tuple[tuple[float, float], ...]
    """(upper boundary in seconds, attempts at or below it), ascending, the last one infinite."""


class Usage(NamedTuple):
    """What answered requests used; fractional like all of Prometheus' increases."""

    requests: float = 0.0
    """Answered requests, also those whose usage is not known."""
    missing: float = 0.0
    """Requests whose usage is not known."""
    prompt: float = 0.0
    """Prompt tokens, also the cached ones."""
    cached: float = 0.0
    completion: float = 0.0
    written: float = 0.0
    """Prompt tokens that were written to a cache which is paid for; none of them is cached."""

    def plus(self, other: "Usage") -> "Usage":
        """Add up."""
        return Usage(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def minus(self, other: "Usage") -> "Usage":
        """Return what is left of a longer window without a shorter one; at least 0."""
        pairs = zip(self, other, strict=True)
        return Usage(*(max(0.0, mine - theirs) for mine, theirs in pairs))


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageCell:
    """What one pool used under one pair of labels."""

    pool: str
    feature: str = ""
    request_type: str = ""
    windows: Mapping[timedelta, Usage]
    broken: bool = False
    """True: a value was not a finite number of at least 0."""


class EngineCache(NamedTuple):
    """What the engine itself counts, for all of its traffic; in prompt tokens."""

    hits: float
    queries: float


class EngineLoad(NamedTuple):
    """How full the engines of a pool are, by their own gauges: means over engines and time."""

    kv_cache: float | None = None
    """Part of the KV cache in use, 0 to 1; None: not said."""
    waiting: float | None = None
    """Requests that wait for each engine; None: not said."""
    acceptance: float | None = None
    """Part of the tokens proposed by speculation that the target took, 0 to 1; None: not said, or
    nothing was proposed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMeasurement:
    """Everything measured about one rule."""

    cells: tuple[Cell, ...] = ()
    ladders: tuple[Ladder, ...] = ()
    demand: float | None = None
    """Requests per second that clients send; None where nothing was measured."""
    usage: tuple[UsageCell, ...] = ()
    flows: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(feature, request type) -> its part of the demand; empty where nothing is split by labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrapes:
    """How well one router replica was scraped."""

    successes: Mapping[timedelta, float]
    """Window -> successful scrapes in it."""
    newest: datetime | None
    """Time of the newest sample; None where there is none."""


class Failure(NamedTuple):
    """Why nothing can be said."""

    reason: str
    """SourceError, AccessDenied, Partial, Stale, Absent, LowCoverage or ClockSkew."""
    message: str


NOTHING = RuleMeasurement()
"""A rule without any row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Everything one tick measured, for all rules."""

    at: datetime
    """Instant of evaluation; identifies the tick."""
    rules: Mapping[RuleKey, RuleMeasurement] = field(default_factory=dict)
    replicas: Mapping[tuple[str, str], Scrapes] = field(default_factory=dict)
    """(namespace, pod) of router replicas -> their scrapes."""
    engines: Mapping[tuple[str, str], Mapping[timedelta, EngineCache]] = field(default_factory=dict)
    """(namespace, pool) -> window -> what its engine counts; pools that say nothing are absent."""
    engine_loads: Mapping[tuple[str, str], EngineLoad] = field(default_factory=dict)
    """(namespace, pool) -> how full its engines are; pools that say nothing are absent."""
    spent: Mapping[str, Mapping[str, Usage]] = field(default_factory=dict)
    """`namespace/name` of a spend objective -> pool -> what was used since its hour or day began;
    an objective of which a part is not known yet is absent."""
    scrape_interval: timedelta = timedelta(seconds=15)
    """Declared interval that coverage is computed from."""
    failure: Failure | None = None
    """Set where the source failed as a whole; then nothing else is."""

    def rule(self, key: RuleKey) -> RuleMeasurement:
        """Return what was measured about a rule."""
        return self.rules.get(key, NOTHING)
