"""Metrics of the operator, by the names that controller-runtime made known, and the fleet's own.

What the fleet looks like is collected from the store at the time of the scrape: a series lives
exactly as long as its object.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tokenfleet import __version__
from tokenfleet.domain.fleet.keys import POOL, ROUTE, SLO
from tokenfleet.domain.fleet.slo_status import burn_rate
from tokenfleet.domain.fleet.steering import promise_in
from tokenfleet.domain.slo.control.memory import State
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.domain.slo.observation.data_state import Kind
from tokenfleet.domain.slo.reporting.burn_rates import LABELS, factors
from tokenfleet.handlers.exposition import exposition
from tokenfleet.ports import Body
from tokenfleet.reconcilers.path_shares import PathShares
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.views import Views

VISIT_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Boundaries for visits: a plan takes about a millisecond, a write some tens."""

STATES: Final = tuple(state.value for state in State)
DATA_STATES: Final = tuple(kind.value for kind in Kind)

CONTROL: Final = "control"
"""Window that the control loop judges by; the others are named by their length."""


class PrometheusTelemetry:
    """Implements `reconcilers.telemetry.Telemetry` with one registry of its own."""

    def __init__(self) -> None:
        """Start with every counter at zero."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._visits = Counter(
            "controller_runtime_reconcile_total",
            "Visits by controller and result.",
            ["controller", "result"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Length of visits.",
            ["controller"],
            buckets=VISIT_SECONDS,
            registry=self.registry,
        )
        self._writes = Counter(
            "tokenfleet_writes_total",
            "Calls that changed or confirmed an object.",
            ["kind", "verb"],
            registry=self.registry,
        )
        self._divergence = Counter(
            "tokenfleet_watch_divergence_total",
            "Objects that a resync found and the watch had missed.",
            ["kind"],
            registry=self.registry,
        )
        self._ticks = Counter(
            "tokenfleet_slo_ticks_total",
            "Ticks of measurements by result.",
            ["result"],
            registry=self.registry,
        )
        self._tick_seconds = Histogram(
            "tokenfleet_slo_tick_seconds", "Length of ticks.", registry=self.registry
        )
        self._decisions = Counter(
            "tokenfleet_decisions_total",
            "Transitions of the control loop; see the control-loop page for the names.",
            ["namespace", "route", "transition"],
            registry=self.registry,
        )

    def visited(self, controller: str, result: str, seconds: float) -> None:
        """One visit ended."""
        self._visits.labels(controller, result).inc()
        self._seconds.labels(controller).observe(seconds)

    def wrote(self, kind: str, verb: str) -> None:
        """One call changed (or confirmed) an object."""
        self._writes.labels(kind, verb).inc()

    def diverged(self, kind: str, count: int) -> None:
        """A resync found copies that the watch had missed."""
        self._divergence.labels(kind).inc(count)

    def ticked(self, seconds: float, *, ok: bool) -> None:
        """One tick of measurements ended."""
        self._ticks.labels("ok" if ok else "failed").inc()
        self._tick_seconds.observe(seconds)

    def decided(self, namespace: str, route: str, transition: str) -> None:
        """The control loop took one transition."""
        self._decisions.labels(namespace, route, transition).inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return exposition(self.registry)


class FleetCollector(Collector):
    """What the fleet looks like now, read from the store."""

    def __init__(
        self,
        store: Store,
        views: Views,
        path_shares: PathShares,
        *,
        leads: Callable[[], bool],
        burn_rates: Callable[[], Mapping[str, Mapping[timedelta, float]]],
    ) -> None:
        """Read objects from `store`, and leadership by asking."""
        self._store, self._views, self._leads = store, views, leads
        self._path_shares = path_shares
        self._burn_rates = burn_rates

    def collect(self) -> Iterator[Metric]:
        """Yield one family after the other."""
        yield _single(
            "leader_election_master_status", "1 where this process leads.", int(self._leads())
        )
        build = GaugeMetricFamily("tokenfleet_build_info", "Version.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        yield from self._pools()
        yield from self._routes()
        yield from self._objectives()
        yield from self._paths()
        yield from self._money()

    def _pools(self) -> Iterable[Metric]:
        labels = ["namespace", "pool"]
        wanted = GaugeMetricFamily(
            "tokenfleet_pool_replicas", "Replicas that exist.", labels=labels
        )
        ready = GaugeMetricFamily(
            "tokenfleet_pool_ready_replicas", "Replicas that serve.", labels=labels
        )
        for body in self._store.all(POOL):
            status = body.get("status", {})
            wanted.add_metric(_name(body), status.get("replicas", 0))
            ready.add_metric(_name(body), status.get("readyReplicas", 0))
        demand = GaugeMetricFamily(
            "tokenfleet_pool_demand",
            "Requests per second meant for a pool, as if nothing were shifted away.",
            labels=labels,
        )
        for place, rate in self._views.demand().items():
            demand.add_metric(place.split("/"), rate)
        return wanted, ready, demand

    def _routes(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "tokenfleet_route_share",
            "Fraction of a rule's conversations that a pool gets now.",
            labels=["namespace", "route", "rule", "pool"],
        )
        for body in self._store.all(ROUTE):
            for rule in body.get("status", {}).get("rules", ()):
                for share in rule.get("shares", ()):
                    labels = [*_name(body), rule["name"], share["name"]]
                    family.add_metric(labels, share["share"] / 1000)
        saturated = GaugeMetricFamily(
            "tokenfleet_route_saturated",
            "1 while a primary provably misses an objective and no fallback can take more.",
            labels=["namespace", "route", "rule"],
        )
        views = self._views.routes()
        for body in self._store.all(ROUTE):
            view = views.get("/".join(_name(body)))
            for rule, why in sorted(view.rules.items()) if view is not None else ():
                saturated.add_metric([*_name(body), rule], int(why.saturated))
        return family, saturated

    def _objectives(self) -> Iterable[Metric]:
        labels = ["namespace", "slo"]
        burn = GaugeMetricFamily(
            "tokenfleet_slo_burn_rate",
            "Bad fraction of a window divided by the error budget.",
            labels=[*labels, "window"],
        )
        state = GaugeMetricFamily(
            "tokenfleet_slo_state", "1 for the state that holds.", labels=[*labels, "state"]
        )
        data = GaugeMetricFamily(
            "tokenfleet_slo_data_state", "1 for the state that holds.", labels=[*labels, "state"]
        )
        factor = GaugeMetricFamily(
            "tokenfleet_slo_alert_factor",
            "Burn rate over the long window that an alert asks for.",
            labels=[*labels, "window"],
        )
        # Not from the status: that is renewed twice an hour where nothing happens.
        paths, rates = self._path_shares.views(), self._burn_rates()
        views = self._views.objectives() | paths
        for body in self._store.all(SLO):
            key = "/".join(_name(body))
            view = views.get(key)
            if view is None:
                continue
            rate = burn_rate(view)
            if key not in paths and rate is not None:  # the control loop judges no shares of paths
                burn.add_metric([*_name(body), CONTROL], rate)
            _one_hot(state, _name(body), view.state, STATES)
            _one_hot(data, _name(body), view.data.kind.value, DATA_STATES)
        for objective, limits in self._store.read_all(SLO, alerts_in):
            place = [objective.namespace, objective.name]
            for window, rate in sorted(rates.get(objective.key, {}).items()):
                burn.add_metric([*place, LABELS[window]], rate)
            for window, limit in limits.items():
                factor.add_metric([*place, LABELS[window]], limit)
        return burn, state, data, factor

    def _money(self) -> Iterable[Metric]:
        labels = ["namespace", "slo"]
        spent = GaugeMetricFamily(
            "tokenfleet_slo_spend", "Money of the hour or day that runs, so far.", labels=labels
        )
        forecast = GaugeMetricFamily(
            "tokenfleet_slo_spend_forecast",
            "Money at the end of the hour or day, at the rate of the last window.",
            labels=labels,
        )
        shifts = GaugeMetricFamily(
            "tokenfleet_slo_shift_cost_per_hour",
            "Money per hour that an objective's shifts cost at External pools.",
            labels=labels,
        )
        limit = GaugeMetricFamily(
            "tokenfleet_slo_shift_cost_per_hour_max",
            "Money per hour that they may cost.",
            labels=labels,
        )
        for key, view in sorted(self._views.objectives().items()):
            if view.spend is not None:
                spent.add_metric(key.split("/"), view.spend.spent)
                if view.spend.forecast is not None:
                    forecast.add_metric(key.split("/"), view.spend.forecast)
            if view.shift_cost is not None:
                shifts.add_metric(key.split("/"), view.shift_cost.per_hour)
                limit.add_metric(key.split("/"), view.shift_cost.limit)
        return spent, forecast, shifts, limit

    def _paths(self) -> Iterable[Metric]:
        share = GaugeMetricFamily(
            "tokenfleet_route_measured_share",
            "Part of its route's requests that a rule took in the last hour.",
            labels=["namespace", "route", "rule"],
        )
        for rule, part in sorted(self._path_shares.shares().items()):
            share.add_metric(list(rule), part)
        labels = ["namespace", "slo"]
        actual = GaugeMetricFamily(
            "tokenfleet_slo_fast_path_share",
            "Part of the selected requests that took the path in the last hour.",
            labels=labels,
        )
        least = GaugeMetricFamily(
            "tokenfleet_slo_fast_path_share_min", "Part that is promised.", labels=labels
        )
        for key, view in sorted(self._path_shares.views().items()):
            if view.value:
                actual.add_metric(key.split("/"), float(view.value))
        for objective in self._path_shares.objectives():
            least.add_metric([objective.namespace, objective.name], objective.least)
        return share, actual, least


def alerts_in(body: Body) -> tuple[ObjectiveSpec, Mapping[timedelta, float]] | None:
    """Return an objective with what its alerts ask for; None for one without, or unreadable."""
    promise = promise_in(body)
    return (promise, factors(promise)) if isinstance(promise, ObjectiveSpec) else None


def _one_hot(
    family: GaugeMetricFamily, labels: list[str], actual: str, values: tuple[str, ...]
) -> None:
    for value in values if actual else ():
        family.add_metric([*labels, value], int(value == actual))


def _single(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _name(body: Body) -> list[Any]:
    return [body["metadata"]["namespace"], body["metadata"]["name"]]
