"""The tables of `tokenfleet top`: routes, shares, first tokens, burn rates, pools, features."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from tokenfleet.adapters.prometheus.live import Key, Live
from tokenfleet.cli.status import VERDICTS, replicas, shares
from tokenfleet.cli.terminal import BAD, DIM, PLAIN, UNKNOWN, WARN, Cell, painted, table
from tokenfleet.domain.console.fleet_view import FleetView

NO_METRICS: Final = (
    "Rates and times are not known without --prometheus-url; p99 and burn are those of the last"
    " status."
)


def text(
    view: FleetView, numbers: Live | None, now: datetime, trouble: str, *, colour: bool
) -> Iterator[str]:
    """Yield the lines of one drawing; `trouble`: why numbers are missing, empty where none is."""
    found = numbers or Live()
    yield painted(Cell(f"tokenfleet top   {now:%Y-%m-%d %H:%M:%S} UTC", DIM), colour=colour)
    yield ""
    yield from _rules(view, found, colour=colour)
    yield ""
    yield from _objectives(view, found, colour=colour)
    yield ""
    yield from _pools(view, found, colour=colour)
    if found.features:
        yield ""
        yield from _features(found, colour=colour)
    if trouble:
        yield ""
        yield painted(Cell(trouble, DIM if trouble == NO_METRICS else BAD), colour=colour)


def _rules(view: FleetView, found: Live, *, colour: bool) -> list[str]:
    rows = []
    for route in view.routes:
        for rule in route.rules:
            key = (route.namespace, route.name, rule.name)
            rows.append(
                (
                    f"{route.namespace}/{route.name}",
                    rule.name,
                    _number(found.rates, key, "{:.2f}"),
                    _seconds(found.p50, key),
                    _seconds(found.p99, key),
                    Cell(rule.verdict, VERDICTS[rule.verdict]),
                    Cell(rule.reason, PLAIN if rule.reason == "AsWritten" else WARN),
                    shares(rule.flows),
                )
            )
    heads = ("ROUTE", "RULE", "REQ/S", "TTFT P50", "P99", "OBJECTIVES", "WHY", "TRAFFIC")
    return table(heads, rows, colour=colour)


def _objectives(view: FleetView, found: Live, *, colour: bool) -> list[str]:
    rows = []
    for slo in view.objectives:
        burn = found.burn.get((slo.namespace, slo.name))
        text = f"{burn:.2f}" if burn is not None else slo.burn_rate or UNKNOWN
        rows.append(
            (
                f"{slo.namespace}/{slo.name}",
                slo.promise,
                Cell(text, BAD if _above_one(text) else PLAIN),
                slo.state,
                slo.data,
            )
        )
    return table(("OBJECTIVE", "PROMISE", "BURN", "STATE", "DATA"), rows, colour=colour)


def _pools(view: FleetView, found: Live, *, colour: bool) -> list[str]:
    rows = []
    for pool in view.pools:
        key = (pool.namespace, pool.name)
        rows.append(
            (
                f"{pool.namespace}/{pool.name}",
                replicas(pool),
                _number(found.inflight, key, "{:.0f}"),
                _number(found.demand, key, "{:.2f}"),
                _number(found.kv_cache, key, "{:.0%}"),
                _number(found.waiting, key, "{:.0f}"),
            )
        )
    heads = ("POOL", "READY", "IN FLIGHT", "DEMAND/S", "KV CACHE", "QUEUE")
    return table(heads, rows, colour=colour)


def _features(found: Live, *, colour: bool) -> list[str]:
    ranked = sorted(found.features.items(), key=lambda item: (-item[1], item[0]))
    rows = [(f"{ns}/{route}", feature, f"{rate:.1f}") for (ns, route, feature), rate in ranked]
    return table(("ROUTE", "TOP FEATURES", "TOKENS/S"), rows, colour=colour)


def _number(values: Mapping[Key, float], key: Key, form: str) -> str:
    found = values.get(key)
    return form.format(found) if found is not None else UNKNOWN


def _seconds(values: Mapping[Key, float], key: Key) -> str:
    found = values.get(key)
    if found is None:
        return UNKNOWN
    return f"{1000 * found:.0f}ms" if found < 1 else f"{found:.2f}s"


def _above_one(text: str) -> bool:
    try:
        return float(text) > 1
    except ValueError:
        return False
