"""The live view of `tokenfleet top`: routes, shares, first tokens, burn rates, pools, features.

On a terminal it is drawn again every few seconds until Ctrl-C; elsewhere it is printed once.
Shares and states come from the objects; rates and times from Prometheus, where `--prometheus-url`
is given.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

from tokenfleet.adapters.clock import SystemClock
from tokenfleet.adapters.kubernetes import KubernetesCluster
from tokenfleet.adapters.prometheus.live import Key, Live, live
from tokenfleet.adapters.prometheus.source import PrometheusSource
from tokenfleet.cli.instants import seconds_or_more
from tokenfleet.cli.prometheus import access
from tokenfleet.cli.spending import Asked, NothingToShowError, users
from tokenfleet.cli.spending import table as written_table
from tokenfleet.cli.status import VERDICTS, shares
from tokenfleet.cli.target import ALL, look, namespace, opened
from tokenfleet.cli.terminal import BAD, CLEAR, DIM, PLAIN, WARN, Cell, coloured, painted, table
from tokenfleet.domain.console.fleet_view import FleetView
from tokenfleet.domain.spending.ranking import Row, ranked
from tokenfleet.domain.spending.user_history import hour_of
from tokenfleet.ports import RefusedError

USERS: Final = 5
"""Users that are shown: those who spent most in this hour."""

NO_METRICS: Final = (
    "Rates and times are not known without --prometheus-url; p99 and burn are those of the last"
    " status."
)


async def watch(args: argparse.Namespace) -> int:
    """Draw the view once, or again and again on a terminal.

    Raises:
        NothingThereError: Tokenfleet is not installed.
        PortError: the cluster or Prometheus does not answer, or refuses.
        ValueError: the flags contradict each other.
    """
    # Each look reads four lists and asks nine queries.
    every = seconds_or_more("--every", args.every)
    known = access(args)
    source = PrometheusSource(known) if known is not None else None
    again = sys.stdout.isatty() and not args.once
    try:
        async with opened(args) as cluster:
            while True:
                drawn = await _drawn(cluster, source, args)
                print(f"{CLEAR if again else ''}{drawn}", flush=True)
                if not again:
                    return 0
                await asyncio.sleep(every.total_seconds())
    finally:
        if source is not None:
            source.close()


async def _drawn(
    cluster: KubernetesCluster, source: PrometheusSource | None, args: argparse.Namespace
) -> str:
    view, now, where = await look(cluster), SystemClock().now(), namespace(args)
    numbers = await live(source, where, at=now) if source is not None else None
    lines = [*text(view, numbers, now, colour=coloured(sys.stdout))]
    if where != ALL and (dearest := await _users(cluster, where, now)):
        lines += ["", *written_table(dearest, "user")]
    return "\n".join(lines)


async def _users(cluster: KubernetesCluster, where: str, now: datetime) -> tuple[Row, ...]:
    """Return who spent most in this hour, as the operator last wrote it down; nobody: not told."""
    asked = Asked(by="user", namespace=where, route="", start=hour_of(now).start, end=now)
    with suppress(NothingToShowError, RefusedError):
        return ranked(await users(cluster, asked))[:USERS]
    return ()


def text(view: FleetView, numbers: Live | None, now: datetime, *, colour: bool) -> Iterator[str]:
    """Yield the lines of one drawing."""
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
    if numbers is None:
        yield ""
        yield painted(Cell(NO_METRICS, DIM), colour=colour)


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
        text = f"{burn:.2f}" if burn is not None else slo.burn_rate
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
                Cell(f"{pool.ready}/{pool.replicas}", PLAIN if pool.ready else BAD),
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
    return form.format(found) if found is not None else "-"


def _seconds(values: Mapping[Key, float], key: Key) -> str:
    found = values.get(key)
    if found is None:
        return "-"
    return f"{1000 * found:.0f}ms" if found < 1 else f"{found:.2f}s"


def _above_one(text: str) -> bool:
    try:
        return float(text) > 1
    except ValueError:
        return False
