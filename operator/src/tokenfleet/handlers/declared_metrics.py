"""What users declare, as metrics: what each objective is about, and what pools cost.

Queries join these to what is measured: a burn rate times the error budget is a bad fraction, tokens
times a price are a cost, and an objective is found by its route.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.facts import pool_facts
from tokenfleet.domain.fleet.keys import POOL, SLO
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.path_promises import path_in
from tokenfleet.domain.fleet.steering import promise_in
from tokenfleet.domain.slo.objectives.spec import LevelObjective, ObjectiveSpec
from tokenfleet.domain.slo.observation.measurement import Signal, TokenPrices
from tokenfleet.ports import Body
from tokenfleet.reconcilers.store import Store

OBJECTIVE: Final = ["namespace", "slo"]
ALERT: Final = "Alert"
SHIFT: Final = "ShiftTraffic"


class Price(NamedTuple):
    """What a pool costs."""

    place: tuple[str, str]
    """Namespace and name."""
    tokens: TokenPrices | None
    hourly: float | None


class DeclaredCollector(Collector):
    """Reads the store at the time of the scrape; what cannot be read is left out."""

    def __init__(self, store: Store) -> None:
        """Read objects from `store`."""
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Yield one family after the other."""
        yield from self._objectives()
        yield from self._prices()

    def _objectives(self) -> Iterator[Metric]:
        about = GaugeMetricFamily(
            "tokenfleet_slo_info",
            "What an objective is about; an empty rule means all of the route.",
            labels=[*OBJECTIVE, "route", "rule", "objective", "on_breach"],
        )
        budget = GaugeMetricFamily(
            "tokenfleet_slo_error_budget",
            "What a burn rate of 1 stands for: bad or uncached part, cost, other paths.",
            labels=OBJECTIVE,
        )
        promises: list[ObjectiveSpec | LevelObjective] = self._store.read_all(SLO, promise_in)
        for promise in promises:
            place = [promise.namespace, promise.name]
            on_breach = SHIFT if promise.shifts else ALERT
            where = [promise.route, promise.rule or "", kind_of(promise), on_breach]
            about.add_metric([*place, *where], 1)
            limit = promise.budget if isinstance(promise, ObjectiveSpec) else promise.limit
            budget.add_metric(place, limit)
        for path in self._store.read_all(SLO, path_in):
            place = [path.namespace, path.name]
            about.add_metric([*place, path.route, path.rule, "FastPathShare", ALERT], 1)
            budget.add_metric(place, 1 - path.least)
        yield about
        yield budget

    def _prices(self) -> Iterator[Metric]:
        tokens = GaugeMetricFamily(
            "tokenfleet_pool_price_per_token",
            "Price of one token, in the currency of the install.",
            labels=["namespace", "pool", "kind"],
        )
        hourly = GaugeMetricFamily(
            "tokenfleet_pool_price_per_replica_hour",
            "Price of one replica for one hour, in the currency of the install.",
            labels=["namespace", "pool"],
        )
        for price in self._store.read_all(POOL, price_in):
            if price.tokens is not None:
                for kind in ("prompt", "cached", "completion", "written"):
                    tokens.add_metric([*price.place, kind], getattr(price.tokens, kind))
            if price.hourly is not None:
                hourly.add_metric(price.place, price.hourly)
        yield tokens
        yield hourly


def price_in(body: Body) -> Price | None:
    """Return what a pool costs; None where it has no price, or cannot be read."""
    pool = parsed(ServingPool, body) if "price" in body.get("spec", {}) else None
    if not isinstance(pool, ServingPool):
        return None
    facts, metadata = pool_facts(pool, 0), pool.metadata
    return Price((metadata.namespace, metadata.name), facts.tokens, facts.hourly)


def kind_of(promise: ObjectiveSpec | LevelObjective) -> str:
    """Return the objective's `type` as its user wrote it."""
    if isinstance(promise, LevelObjective):
        return promise.level.value
    return "ErrorRate" if promise.signal is Signal.ERRORS else "Latency"
