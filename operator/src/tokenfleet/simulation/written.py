"""What people write: scenarios, loads and faults as YAML, read into the model's own values.

Times are durations such as `90s`, `30m` or `2h`; rates are requests per second. Every field that is
not known is refused: a typo must not become a default.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from tokenfleet.api.units import parse_duration
from tokenfleet.domain.fleet.facts import MILLION
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.domain.slo.observation.measurement import Signal, TokenPrices
from tokenfleet.simulation.autoscaler import Autoscaler
from tokenfleet.simulation.fleet import (
    PROMPT,
    THRESHOLD,
    TOKENS,
    Scenario,
    Stream,
    chat,
    promise,
)
from tokenfleet.simulation.pools import MEAN_SERVICE, PATIENCE, PREFILL, SPREAD, Overload, Pool
from tokenfleet.simulation.profiles import Course, Episode, Fault, Kind, Shape

PARTS: Final = frozenset({Kind.ERRORS, Kind.LATE})
"""Kinds whose factor is a fraction."""


class WrittenError(ValueError):
    """What was written cannot be read; the message names the field and what is wrong with it."""


def _seconds(value: Any) -> Any:
    return parse_duration(value).total_seconds() if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Written(BaseModel):
    """Base of all of them."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid"
    )


class WrittenEpisode(Written):
    """From when to when."""

    start: Annotated[Seconds, Field(alias="from")] = 0.0
    lasts: Annotated[Seconds, Field(alias="for")] = math.inf
    every: Seconds = math.inf
    until: Seconds = math.inf

    def episode(self) -> Episode:
        """Return it."""
        return Episode(start=self.start, lasts=self.lasts, every=self.every, until=self.until)


class WrittenRate(WrittenEpisode):
    """A rate for a while."""

    rate: Annotated[float, Field(ge=0)]


class WrittenLoad(Written):
    """How clients ask."""

    rate: Annotated[float, Field(ge=0)]
    wave: Annotated[float, Field(ge=0)] = 0.0
    period: Seconds = 3600.0
    episodes: tuple[WrittenRate, ...] = ()
    turns: Annotated[int, Field(ge=1)] = 1
    gap: Seconds = 20.0
    retries: Annotated[int, Field(ge=0)] = 0
    fickle: Fraction = 0.0
    prompt_tokens: Annotated[int, Field(ge=0)] = PROMPT
    completion_tokens: Annotated[int, Field(ge=0)] = TOKENS

    def course(self) -> Course:
        """Return the rate over time."""
        return Course(
            base=self.rate,
            wave=self.wave,
            period=self.period,
            episodes=tuple((one.episode(), one.rate) for one in self.episodes),
        )

    def on(self, stream: Stream) -> Stream:
        """Return a stream with this load."""
        return replace(
            stream,
            rate=self.course(),
            turns=self.turns,
            gap=self.gap,
            retries=self.retries,
            fickle=self.fickle,
            prompt=self.prompt_tokens,
            completion=self.completion_tokens,
        )


class WrittenAutoscaler(Written):
    """How a pool is scaled."""

    driven_by: str = Field(pattern="^(busyness|demand)$")

    def autoscaler(self) -> Autoscaler:
        """Return it."""
        return Autoscaler(driven_by="demand" if self.driven_by == "demand" else "busyness")


class WrittenPrices(Written):
    """Prices of a million tokens."""

    prompt: Annotated[float, Field(ge=0)]
    completion: Annotated[float, Field(ge=0)]

    def prices(self) -> TokenPrices:
        """Return those of one token."""
        prompt, completion = self.prompt / MILLION, self.completion / MILLION
        return TokenPrices(prompt, prompt, completion, prompt)


class WrittenPool(Written):
    """One pool; see `Pool`."""

    servers: Annotated[int, Field(ge=1)] = 64
    service: Annotated[Seconds, Field(gt=0)] = MEAN_SERVICE
    spread: Annotated[float, Field(gt=0)] = SPREAD
    prefill: Seconds = PREFILL
    overload: Overload = Overload.QUEUE
    speaks: bool = True
    notices: bool = True
    cold: Annotated[float, Field(ge=1)] = 1.0
    others: Annotated[float, Field(ge=0)] = 0.0
    declared: Annotated[float, Field(ge=0)] = 1.0
    replicas: Annotated[int, Field(ge=1)] = 1
    autoscaler: WrittenAutoscaler | None = None
    external: bool = False
    per_million_tokens: WrittenPrices | None = None

    def pool(self) -> Pool:
        """Return it."""
        return Pool(
            servers=self.servers,
            mean_service=self.service,
            spread=self.spread,
            prefill=self.prefill,
            overload=self.overload,
            speaks=self.speaks,
            notices=self.notices,
            cold=self.cold,
            others=self.others,
            declared=self.declared,
            replicas=self.replicas,
            autoscaler=self.autoscaler.autoscaler() if self.autoscaler else None,
            external=self.external,
            prices=self.per_million_tokens.prices() if self.per_million_tokens else None,
        )


class WrittenFault(WrittenEpisode):
    """What is wrong with a pool."""

    pool: str
    type: Kind
    factor: float | None = None
    shape: Shape = Shape.STEP
    period: Annotated[Seconds, Field(gt=0)] = 60.0

    @model_validator(mode="after")
    def _factor(self) -> Self:
        if self.type in PARTS and not (self.factor is not None and 0 <= self.factor <= 1):
            msg = f"factor must be the fraction of attempts, 0 to 1, for type {self.type}"
            raise ValueError(msg)
        if self.type is Kind.SLOW and not (self.factor is not None and self.factor >= 1):
            msg = "factor must be at least 1 for type Slow: how many times as long it takes"
            raise ValueError(msg)
        if self.type in {Kind.HANG, Kind.OUTAGE} and self.factor is not None:
            msg = f"factor means nothing for type {self.type}"
            raise ValueError(msg)
        return self

    def fault(self) -> Fault:
        """Return it."""
        return Fault(
            pool=self.pool,
            kind=self.type,
            when=self.episode(),
            factor=1.0 if self.factor is None else self.factor,
            shape=self.shape,
            period=self.period,
        )


class WrittenScenario(Written):
    """One scenario: the first pool is the primary, the others are its fallbacks in their order."""

    name: str
    says: str
    lasts: Annotated[Seconds, Field(gt=0)]
    load: WrittenLoad
    pools: Annotated[dict[str, WrittenPool], Field(min_length=1)]
    faults: tuple[WrittenFault, ...] = ()
    signal: Signal = Signal.TTFT
    threshold: Annotated[Seconds, Field(gt=0)] = THRESHOLD
    target: Annotated[float, Field(gt=0, lt=1)] = 0.95
    max_cost_per_hour: Positive | None = None
    patience: Seconds = PATIENCE
    blind: tuple[WrittenEpisode, ...] = ()
    dropped: Fraction = 0.0
    jitter: Fraction = 0.0
    acknowledge_after: Seconds = 1.0

    @model_validator(mode="after")
    def _known_pools(self) -> Self:
        check_pools(self.faults, self.pools)
        return self

    def promise(self) -> ObjectiveSpec:
        """Return what is promised."""
        return promise(
            self.signal,
            threshold=self.threshold,
            target=self.target,
            most=self.max_cost_per_hour,
        )

    def scenario(self) -> Scenario:
        """Return it."""
        pools = {name: pool.pool() for name, pool in self.pools.items()}
        return Scenario(
            name=self.name,
            says=self.says,
            seconds=round(self.lasts),
            streams=(self.load.on(chat(self.load.course(), pools)),),
            pools=pools,
            faults=tuple(fault.fault() for fault in self.faults),
            objectives=(self.promise(),),
            patience=self.patience,
            fault_at=cause(self.load, self.faults),
            blind=tuple((one.start, one.start + one.lasts) for one in self.blind),
            dropped=self.dropped,
            jitter=self.jitter,
            acknowledge_after=self.acknowledge_after,
        )


def check_pools(faults: Iterable[WrittenFault], pools: Iterable[str]) -> None:
    """Refuse faults of pools that are not there.

    Raises:
        ValueError: there is one.
    """
    known = list(pools)
    for fault in faults:
        if fault.pool not in known:
            msg = f"fault: there is no pool {fault.pool}, only {', '.join(known)}"
            raise ValueError(msg)


def cause(load: WrittenLoad, faults: Iterable[WrittenFault]) -> float | None:
    """Return when the first thing goes wrong that was not there from the start."""
    starts = [*(one.start for one in load.episodes), *(fault.start for fault in faults)]
    return min((start for start in starts if start > 0), default=None)


W = TypeVar("W", bound=Written)


def read(model: type[W], body: Mapping[str, Any], what: str) -> W:
    """Read what was written.

    Raises:
        WrittenError: it is not of the model; the message begins with `what`.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        known = ", ".join(sorted(item.alias or name for name, item in model.model_fields.items()))
        if first["type"] == "extra_forbidden":
            said = f"there is no such field; known at this place or above: {known}"
        place = f"{what}: {where}" if where else what
        msg = f"{place}: {said}"
        raise WrittenError(msg) from error
