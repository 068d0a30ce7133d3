"""A user's own fleet in the model: their rules, objectives and pools, and a load and faults.

What nobody stated is assumed, and each assumption is said. Rules, objectives and capacities come
out of the compiler of the operator, and `engine.step` decides as it does live.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final

from pydantic import Field

from tokenfleet.domain.fleet.documents import UnfitError
from tokenfleet.domain.fleet.subject import Subject
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.domain.slo.observation.measurement import PoolFacts, RuleTarget, Signal
from tokenfleet.simulation.fleet import TOKENS, Scenario, Stream
from tokenfleet.simulation.policies import Decider, Nobody, Ours
from tokenfleet.simulation.pools import MEAN_SERVICE, PATIENCE, PREFILL, Overload, Pool
from tokenfleet.simulation.profiles import Course
from tokenfleet.simulation.run import Run, run, silent
from tokenfleet.simulation.written import (
    Fraction,
    Positive,
    Seconds,
    Written,
    WrittenFault,
    WrittenLoad,
    cause,
    check_pools,
)

USUAL_LOAD: Final = 0.7
"""Part of what a rule's backends bear that is asked of them where no rate is stated."""


class StatedPool(Written):
    """What a pool really is, as far as its user knows."""

    requests_per_second: Positive | None = None
    """What one replica bears; what is declared where it is not stated."""
    replicas: Annotated[int, Field(ge=1)] | None = None
    service: Annotated[Seconds, Field(gt=0)] | None = None
    """Mean time of an answer."""
    prefill: Seconds | None = None
    """From the start of service to the first token."""
    overload: Overload = Overload.QUEUE
    speaks: bool = True
    notices: bool = True
    cold: Annotated[float, Field(ge=1)] = 1.0
    others: Annotated[float, Field(ge=0)] = 0.0


class StatedLoad(Written):
    """A load file: what is asked of a fleet, what it bears, and what goes wrong."""

    lasts: Annotated[Seconds, Field(gt=0, le=7 * 86_400)] = 7200.0
    rules: dict[str, WrittenLoad] = {}
    """`route/rule`, or `route` for each of its rules -> how clients ask."""
    pools: dict[str, StatedPool] = {}
    faults: tuple[WrittenFault, ...] = ()
    patience: Seconds = PATIENCE
    dropped: Fraction = 0.0
    """Part of the scrapes that is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What would happen."""

    scenario: Scenario
    assumed: tuple[str, ...]
    ours: tuple[Run, ...]
    """One per seed."""
    none: tuple[Run, ...]
    """The same clients, without control."""


def forecast(
    subject: Subject,
    load: StatedLoad,
    *,
    seeds: int,
    scrape: float,
    tick: float,
    progress: Callable[[float], None] = silent,
) -> Forecast:
    """Let a fleet run; `progress` is told what part of the work is done, 0 to 1.

    Raises:
        UnfitError: something is stated of what is not there, or not stated that must be.
    """
    scenario, assumed = fleet_of(subject, load)

    def runs(first: int, decider: Callable[[], Decider]) -> tuple[Run, ...]:
        return tuple(one(first + seed, seed, decider()) for seed in range(seeds))

    def one(number: int, seed: int, chooser: Decider) -> Run:
        def told(done: float) -> None:
            progress((number + done) / (2 * seeds))

        return run(scenario, chooser, seed=seed, scrape=scrape, tick=tick, progress=told)

    return Forecast(
        scenario=scenario,
        assumed=assumed,
        ours=runs(0, lambda: Ours(scenario)),
        none=runs(seeds, Nobody),
    )


def fleet_of(subject: Subject, load: StatedLoad) -> tuple[Scenario, tuple[str, ...]]:
    """Return the fleet in the model, and what had to be assumed.

    Raises:
        UnfitError: as `forecast`.
    """
    if not subject.objectives:
        msg = "the file holds no TokenSLO about latency or errors, and the model knows no others"
        raise UnfitError(msg)
    if subject.slices:
        msg = (
            f"{subject.slices[0]} would get shares of its own, because an objective with a selector"
            " shifts it; the model knows rules as a whole: give these requests a rule of their own,"
            " leave the selector out, or let the objective only alert"
        )
        raise UnfitError(msg)
    used = dict.fromkeys(pool for rule in subject.rules for pool in _pools(rule))
    _check(subject, load, used)
    assumed: list[str] = []
    pools = {
        name: _pool(name, subject.pools[f"{subject.namespace}/{name}"], load, subject, assumed)
        for name in used
    }
    streams = tuple(_stream(rule, pools, load, assumed) for rule in subject.rules)
    objectives = tuple(_plain(slo, assumed) for slo in subject.objectives)
    if any(slo.max_cost_per_hour is not None for slo in objectives):
        assumed += [_tokens(stream) for stream in streams]
    assumed += [f"{slo.key} is about a level and is left out" for slo in subject.levels]
    starts = (cause(one, load.faults) for one in (*load.rules.values(), WrittenLoad(rate=0)))
    return Scenario(
        name=subject.router,
        says="; ".join(fault_words(fault) for fault in load.faults) or "nothing goes wrong",
        seconds=round(load.lasts),
        streams=streams,
        pools=pools,
        faults=tuple(fault.fault() for fault in load.faults),
        objectives=objectives,
        patience=load.patience,
        fault_at=min((start for start in starts if start is not None), default=None),
        dropped=load.dropped,
    ), tuple(assumed)


def fault_words(fault: WrittenFault) -> str:
    """Say what is wrong, from when to when."""
    amount = f" {fault.factor:g}" if fault.factor is not None else ""
    end = f" for {_minutes(fault.lasts)}" if fault.lasts < float("inf") else ""
    return f"{fault.pool} {fault.type}{amount} from {_minutes(fault.start)}{end}"


def _check(subject: Subject, load: StatedLoad, pools: Iterable[str]) -> None:
    rules = {f"{rule.key.route}/{rule.key.rule}" for rule in subject.rules}
    known = rules | {rule.key.route for rule in subject.rules}
    for name in load.rules:
        if name not in known:
            msg = f"rules.{name}: there is no such rule, only {', '.join(sorted(rules))}"
            raise UnfitError(msg)
    named = list(pools)
    for name in load.pools:
        if name not in named:
            msg = f"pools.{name}: no rule uses such a pool, only {', '.join(named)}"
            raise UnfitError(msg)
    try:
        check_pools(load.faults, named)
    except ValueError as error:
        raise UnfitError(str(error)) from error


def _pool(
    name: str, facts: PoolFacts, load: StatedLoad, subject: Subject, assumed: list[str]
) -> Pool:
    stated = load.pools.get(name, StatedPool())
    each = stated.requests_per_second or facts.capacity
    if each is None:
        msg = (
            f"ServingPool {name} declares no spec.capacity.requestsPerSecond: state what one"
            f" replica bears with --capacity {name}=N, or as pools.{name}.requestsPerSecond in the"
            " load file"
        )
        raise UnfitError(msg)
    replicas = stated.replicas or max(1, facts.ready)
    service = stated.service or _service(subject.objectives)
    prefill = stated.prefill if stated.prefill is not None else _prefill(subject.objectives)
    servers = max(1, round(each * replicas * service))
    source = "stated" if stated.requests_per_second else "declared"
    assumed.append(
        f"{name}: {replicas} x {each:g} requests/s as {source}, {servers} at once, answers of"
        f" {servers / (each * replicas):.1f} s, first token after {prefill:g} s"
    )
    return Pool(
        servers=servers,
        mean_service=servers / (each * replicas),
        prefill=prefill,
        replicas=replicas,
        declared=(facts.capacity or 0.0) / each,
        overload=stated.overload,
        speaks=stated.speaks,
        notices=stated.notices,
        cold=stated.cold,
        others=stated.others,
        external=facts.external,
        prices=facts.tokens,
    )


def _stream(
    rule: RuleTarget, pools: Mapping[str, Pool], load: StatedLoad, assumed: list[str]
) -> Stream:
    name = f"{rule.key.route}/{rule.key.rule}"
    plain = replace(rule, pin=None)
    if rule.pin is not None:
        assumed.append(f"{name}: its pin is left out")
    stated = load.rules.get(name) or load.rules.get(rule.key.route)
    if stated is not None:
        return stated.on(Stream(rate=stated.course(), rule=plain))
    rate = USUAL_LOAD * sum(pools[pool].capacity for pool in rule.backends)
    assumed.append(
        f"{name}: {rate:.3g} requests/s, {USUAL_LOAD:.0%} of what its backends bear; state yours"
        f" with --rate {name}=N"
    )
    return Stream(rate=Course(base=rate), rule=plain)


def _tokens(stream: Stream) -> str:
    key = stream.rule.key
    return (
        f"{key.route}/{key.rule}: {stream.prompt} prompt tokens and {stream.completion} of the"
        " answer in the mean, for what shifts cost; state yours as promptTokens and"
        " completionTokens of the rule in the load file"
    )


def _plain(slo: ObjectiveSpec, assumed: list[str]) -> ObjectiveSpec:
    if slo.features or slo.request_types:
        assumed.append(f"{slo.key}: all requests are of what it selects")
    return replace(slo, features=frozenset(), request_types=frozenset())


def _service(objectives: Iterable[ObjectiveSpec]) -> float:
    """Return a mean time of answers that an idle pool keeps the objectives with."""
    limits = [MEAN_SERVICE]
    for slo in objectives:
        seconds = slo.threshold.total_seconds()
        limits += [seconds / 3] if slo.signal is Signal.END_TO_END else []
        limits += [seconds * TOKENS / 2] if slo.signal is Signal.TPOT else []
    return min(limits)


def _prefill(objectives: Iterable[ObjectiveSpec]) -> float:
    times = [slo.threshold.total_seconds() for slo in objectives if slo.signal is Signal.TTFT]
    return min([PREFILL, *(0.3 * seconds for seconds in times)])


def _pools(rule: RuleTarget) -> tuple[str, ...]:
    return (*rule.backends, *rule.fallbacks)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g} min"
