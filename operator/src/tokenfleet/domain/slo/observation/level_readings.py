"""Readings: the mean that a level objective is about, over one window.

Cost of a request: tokens by the router's counters times the prices of the pool that answered,
divided by the requests whose usage is known. A request without usage counts in neither part, which
is only fair while they are few: above `MISSING` of a pool's requests nothing can be said. For a
pool with a price per replica and hour: its ready replicas for the window, in proportion to the
requests that are the objective's.

Money of an hour or day: what was spent since it began, and as much as the window for what is left
of it. Only tokens are added up: the hours of replicas are paid whether or not somebody asks, and
how many there were is nobody's to say.

Part of the prompt that was not cached: by the router's counters, pool by pool. An engine that does
not report cached tokens looks there like one that never hits; where a pool has no cached token at
all in the window, its engine's own counters are taken (vLLM's prefix cache, for all of the pool's
traffic), and where there are none either, nothing can be said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from tokenfleet.domain.slo.objectives.spec import Level, LevelObjective
from tokenfleet.domain.slo.observation.data_state import DataState, Kind, blindness, unknown
from tokenfleet.domain.slo.observation.evidence import selects
from tokenfleet.domain.slo.observation.measurement import (
    EngineCache,
    Failure,
    RuleKey,
    TokenPrices,
    Usage,
)
from tokenfleet.domain.slo.observation.snapshot import Snapshot

MISSING: Final = 0.05
"""Largest part of a pool's answered requests whose usage may be unknown; as large as the dead band
around a limit."""
HOUR: Final = timedelta(hours=1)
NOTHING: Final = Usage()


class Span(NamedTuple):
    """What a reading is of: a window up to now, or the one before it."""

    window: timedelta
    before: bool = False

    def of(self, windows: Mapping[timedelta, Usage]) -> Usage:
        """Return what was used in it."""
        last = windows.get(self.window, NOTHING)
        return windows.get(2 * self.window, NOTHING).minus(last) if self.before else last


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One window of one level objective."""

    data: DataState
    requests: int = 0
    value: float | None = None
    """Mean cost of a request, or part of the prompt that was not cached; None: cannot be said."""
    usage: Usage = NOTHING
    """Of all pools together."""

    @property
    def enough(self) -> bool:
        """Tell whether it can be judged by."""
        return self.data.kind is Kind.OK


def reading(
    snapshot: Snapshot,
    objective: LevelObjective,
    rules: Iterable[RuleKey],
    now: datetime,
    *,
    span: Span | None = None,
) -> Reading:
    """Read one span; None: the objective's window up to now."""
    span = span or Span(objective.windows.level)
    failure = blindness(snapshot.measurement, snapshot.replicas, objective, now)
    if failure is not None:
        return Reading(data=unknown(failure))
    keys = tuple(rules)
    broken = _broken(snapshot, objective, keys)
    if broken is not None:
        failure = Failure("NotANumber", f"a series of pool {broken} is not a finite number")
        return Reading(data=unknown(failure))
    pools = _usage(snapshot, keys, objective, span)
    total = _sum(pools.values())
    requests = round(total.requests)
    if not requests:
        return Reading(data=DataState(Kind.NO_TRAFFIC))
    found = _PARTS[objective.level](snapshot, objective, pools, span)
    if isinstance(found, Failure):
        return Reading(data=unknown(found), requests=requests, usage=total)
    amount, of = found
    state = DataState(Kind.OK)
    if requests < objective.min_total:
        text = f"{requests} requests, {objective.min_total} are needed"
        state = DataState(Kind.INSUFFICIENT, "", text)
    value = amount / of if of > 0 else None
    return Reading(data=state, requests=requests, value=value, usage=total)


def cost(usage: Usage, prices: TokenPrices) -> float:
    """Return what tokens cost."""
    plain = max(0.0, usage.prompt - usage.cached - usage.written)
    prompt = plain * prices.prompt + usage.cached * prices.cached + usage.written * prices.written
    return prompt + usage.completion * prices.completion


def missed(snapshot: Snapshot, objective: LevelObjective, rule: RuleKey, pool: str) -> float | None:
    """Return the part of its prompts that one pool had not cached; None: cannot be said."""
    span = Span(objective.windows.level)
    usage = _usage(snapshot, (rule,), objective, span).get(pool, NOTHING)
    found = _hits(snapshot, objective, pool, usage, span)
    return 1 - found / usage.prompt if found is not None and usage.prompt > 0 else None


def _costs(
    snapshot: Snapshot, objective: LevelObjective, pools: Mapping[str, Usage], span: Span
) -> tuple[float, float] | Failure:
    """Return the cost of all requests, and how many they are."""
    amount = requests = 0.0
    for pool, usage in pools.items():
        facts = snapshot.facts(objective.namespace, pool)
        if facts.tokens is not None:
            if usage.missing > MISSING * max(usage.requests, usage.missing):
                text = (
                    f"{usage.missing:.0f} of {usage.requests:.0f} requests to pool {pool} came"
                    f" without usage, at most {MISSING:.0%} may; let its engine report usage"
                )
                return Failure("UsageMissing", text)
            amount += cost(usage, facts.tokens)
            requests += max(0.0, usage.requests - usage.missing)
        elif facts.hourly is not None:
            everybody = _everybody(snapshot, objective, pool, span)
            part = usage.requests / everybody if everybody > 0 else 0.0
            amount += facts.hourly * facts.ready * (span.window / HOUR) * part
            requests += usage.requests
        elif usage.requests > 0:
            return Failure("PriceMissing", f"ServingPool {pool} has no spec.price; set it")
    return amount, requests


def _forecast(
    snapshot: Snapshot, objective: LevelObjective, pools: Mapping[str, Usage], span: Span
) -> tuple[float, float] | Failure:
    """Return the money at the end of the period: spent, and as much as the span for the rest."""
    found = _costs(snapshot, objective, pools, span)
    spent = money_spent(snapshot, objective)
    if isinstance(found, Failure):
        return found
    if isinstance(spent, Failure):
        return spent
    measured = snapshot.measurement
    assert measured is not None  # else there is no usage
    return spent + found[0] * (objective.left(measured.at) / span.window), 1.0


def money_spent(snapshot: Snapshot, objective: LevelObjective) -> float | Failure:
    """Return the money since the hour or day began, at the prices of now."""
    measured = snapshot.measurement
    used = measured.spent.get(objective.key) if measured is not None else None
    if measured is None or used is None:
        text = "what was spent since the period began is not known yet; it is asked hour by hour"
        return Failure("SpendUnknown", text)
    without = [pool for pool in used if snapshot.facts(objective.namespace, pool).tokens is None]
    if without:
        text = (
            f"money is added up from tokens: set spec.price.perMillionTokens of"
            f" {', '.join(sorted(without))}"
        )
        return Failure("TokenPricesMissing", text)
    prices = {pool: snapshot.facts(objective.namespace, pool).tokens for pool in used}
    return sum(
        cost(usage, prices_of) for pool, usage in used.items() if (prices_of := prices[pool])
    )


def _uncached(
    snapshot: Snapshot, objective: LevelObjective, pools: Mapping[str, Usage], span: Span
) -> tuple[float, float] | Failure:
    """Return the prompt tokens that were not cached, and all of them."""
    plain = total = 0.0
    for pool, usage in pools.items():
        hits = _hits(snapshot, objective, pool, usage, span)
        if hits is None:
            text = (
                f"pool {pool} reports neither cached_tokens in usage nor cache hits among its"
                " engine's metrics; let its engine report the one, or scrape the other"
            )
            return Failure("CacheNotReported", text)
        plain += usage.prompt - hits
        total += usage.prompt
    return plain, total


def _hits(
    snapshot: Snapshot, objective: LevelObjective, pool: str, usage: Usage, span: Span
) -> float | None:
    """Return a pool's cached prompt tokens by the router, else by its engine's own rate."""
    if usage.cached > 0 or usage.prompt <= 0:
        return min(usage.cached, usage.prompt)
    counts = snapshot.measurement.engines if snapshot.measurement is not None else {}
    own = counts.get((objective.namespace, pool), {})
    engine = own.get(span.window)
    if span.before and engine is not None:
        longer = own.get(2 * span.window, engine)
        engine = EngineCache(longer.hits - engine.hits, longer.queries - engine.queries)
    if engine is None or engine.queries <= 0:
        return None
    return usage.prompt * min(1.0, max(0.0, engine.hits / engine.queries))


def _usage(
    snapshot: Snapshot, rules: Iterable[RuleKey], objective: LevelObjective, span: Span
) -> dict[str, Usage]:
    """Add up what an objective selects, by pool."""
    sums: dict[str, Usage] = {}
    for key in rules:
        for cell in snapshot.measured(key).usage:
            if selects(objective, cell.feature, cell.request_type):
                sums[cell.pool] = sums.get(cell.pool, NOTHING).plus(span.of(cell.windows))
    return sums


def _everybody(snapshot: Snapshot, objective: LevelObjective, pool: str, span: Span) -> float:
    """Return the requests that all rules together sent to a pool."""
    rules = snapshot.measurement.rules if snapshot.measurement is not None else {}
    total = NOTHING
    for key, measured in rules.items():
        for cell in measured.usage:
            if key.namespace == objective.namespace and cell.pool == pool:
                total = total.plus(span.of(cell.windows))
    return total.requests


def _sum(usages: Iterable[Usage]) -> Usage:
    total = NOTHING
    for usage in usages:
        total = total.plus(usage)
    return total


def _broken(snapshot: Snapshot, objective: LevelObjective, rules: Iterable[RuleKey]) -> str | None:
    cells = (cell for key in rules for cell in snapshot.measured(key).usage)
    found = (c.pool for c in cells if c.broken and selects(objective, c.feature, c.request_type))
    return next(found, None)


_PARTS: Final = {Level.COST: _costs, Level.SPEND: _forecast, Level.CACHE: _uncached}
