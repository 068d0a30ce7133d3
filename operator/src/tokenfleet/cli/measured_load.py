"""`tokenfleet simulate --measured`: load and replicas that Prometheus remembers of a fleet."""

import argparse
import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from tokenfleet.adapters.prometheus.access import Access
from tokenfleet.adapters.prometheus.past_load import Rates, past_load, piece_of
from tokenfleet.adapters.prometheus.rows import sound
from tokenfleet.adapters.prometheus.source import PrometheusSource
from tokenfleet.adapters.prometheus.spending import ready_query
from tokenfleet.cli.instants import positive
from tokenfleet.cli.prometheus import access, add_flags_of_people
from tokenfleet.domain.fleet.documents import UnfitError
from tokenfleet.domain.fleet.subject import Subject
from tokenfleet.domain.slo.observation.measurement import RuleKey

LONGEST: Final = timedelta(days=7)
"""As long as a simulation may be."""
Body = dict[str, Any]


def add_flags(parser: argparse.ArgumentParser, add: Any) -> None:
    """Add `--measured` to the group of `add`, and where Prometheus is."""
    add(
        "--measured",
        metavar="TIME",
        help="take rates and replicas that are not stated from the last TIME in Prometheus, such"
        " as 24h",
    )
    add_flags_of_people(parser)


def measured(
    load: Body, args: argparse.Namespace, subject: Subject, now: datetime
) -> tuple[Body, tuple[str, ...]]:
    """Return a load file with what was measured where it states nothing, and words for that.

    Raises:
        UnfitError: nothing was measured.
        PortError: Prometheus does not answer, or refuses.
        ValueError: the flags make no sense; the message names them.
    """
    span = positive("--measured", args.measured)
    if not timedelta(minutes=1) <= span <= LONGEST:
        msg = f"--measured must be between 1m and 168h, not {args.measured}"
        raise ValueError(msg)
    known = access(args)
    if known is None:
        msg = "--measured needs --prometheus-url"
        raise ValueError(msg)
    rates, ready = asyncio.run(_ask(known, subject.namespace, now, span))
    return merged(load, subject, rates, ready, span)


def merged(
    load: Body, subject: Subject, rates: Rates, ready: Mapping[str, float], span: timedelta
) -> tuple[Body, tuple[str, ...]]:
    """Put what was measured where a load file states nothing; see `measured`.

    Args:
        load: fields of a load file; what is no mapping there is left to its reader.
        subject: the fleet.
        rates: those of rules in pieces of the span.
        ready: pool -> mean of its ready replicas.
        span: how long was looked at.
    """
    mine = {name: rates[key] for key in rates if (name := _name(key, subject.namespace))}
    wanted = [f"{rule.key.route}/{rule.key.rule}" for rule in subject.rules]
    if not any(name in mine for name in wanted):
        msg = (
            f"Prometheus remembers no request to {', '.join(wanted)} of namespace"
            f" {subject.namespace}"
        )
        raise UnfitError(msg)
    stated, pools = dict(load.get("rules") or {}), dict(load.get("pools") or {})
    piece, said = piece_of(span), []
    for name in wanted:
        if name in stated or name.partition("/")[0] in stated:
            continue
        held = mine.get(name, (0.0,))
        stated[name] = _course(held, piece)
        said.append(
            f"{name}: {sum(held) / len(held):.3g} requests/s as measured, {max(held):.3g} in the"
            f" busiest {piece.total_seconds() / 60:g} min"
        )
    named = {pool for rule in subject.rules for pool in (*rule.backends, *rule.fallbacks)}
    for pool in sorted(named & ready.keys()):
        of_pool = pools.get(pool) or {}
        if isinstance(of_pool, dict) and "replicas" not in of_pool:
            pools[pool] = {**of_pool, "replicas": max(1, round(ready[pool]))}
            said.append(f"{pool}: {ready[pool]:.3g} ready replicas as measured")
    lasts = load.get("lasts") or f"{span // timedelta(seconds=1)}s"
    return {**load, "rules": stated, "pools": pools, "lasts": lasts}, tuple(said)


def _course(rates: tuple[float, ...], piece: timedelta) -> Body:
    """Return the rates as episodes, which come again where the run is longer than the span."""
    length = round(piece.total_seconds())
    return {
        "rate": round(sum(rates) / len(rates), 6),
        "episodes": [
            {
                "from": n * length,
                "for": length,
                "every": len(rates) * length,
                "rate": round(rate, 6),
            }
            for n, rate in enumerate(rates)
        ],
    }


def _name(key: RuleKey, namespace: str) -> str:
    """Return `route/rule` of a rule of the namespace, on whose router it may be; else nothing."""
    route = key.route.removeprefix(f"{namespace}/")
    own = key.namespace == namespace and "/" not in key.route
    return f"{route}/{key.rule}" if own or route != key.route else ""


async def _ask(
    known: Access, namespace: str, end: datetime, span: timedelta
) -> tuple[Rates, dict[str, float]]:
    source = PrometheusSource(known)
    try:
        rates = await past_load(source, end=end, span=span)
        rows = await source.query(ready_query(namespace, span), at=end)
        return rates, {row.labels.get("pool", ""): row.value for row in rows if sound(row.value)}
    finally:
        source.close()
