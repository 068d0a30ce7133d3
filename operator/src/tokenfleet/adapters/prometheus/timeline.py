"""What Prometheus remembers of routes, for people: shares, first tokens, burn rates, decisions."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.domain.console.decisions import DecisionView, counted
from tokenfleet.domain.console.timeline import Line, Timeline, lines, step_of
from tokenfleet.ports import MetricHistory, Series

TTFT: Final = "tokenfleet_time_to_first_token_seconds_bucket"
QUANTILES: Final = {"p50": 0.5, "p99": 0.99}
LEAST_WINDOW: Final = timedelta(minutes=1)
"""Least window of a rate: four scrapes of the documented 15 s."""

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class RoutePast:
    """Answers about the past of routes."""

    def __init__(self, source: MetricHistory) -> None:
        """Ask `source`."""
        self._source = source

    async def timeline(
        self, namespace: str, route: str, *, start: datetime, end: datetime
    ) -> Timeline:
        """Return a route's lines; see `timeline`."""
        return await timeline(self._source, namespace, route, start=start, end=end)

    async def decisions(
        self, namespace: str, route: str, *, start: datetime, end: datetime
    ) -> tuple[DecisionView, ...]:
        """Return the decisions that were counted; see `decisions`."""
        return await decisions(self._source, namespace, route, start=start, end=end)


class NotANameError(ValueError):
    """What should name an object does not; it must not get into a query."""


async def timeline(
    source: MetricHistory, namespace: str, route: str, *, start: datetime, end: datetime
) -> Timeline:
    """Ask for everything that a page draws of one route.

    Raises:
        NotANameError: namespace or route is no name.
        PortError: Prometheus does not answer, or refuses.
    """
    step = step_of(end - start)
    asked = queries(namespace, route, step)
    answers = await asyncio.gather(
        *(source.query_range(query, start=start, end=end, step=step) for query in asked.values())
    )
    found = dict(zip(asked, map(_pairs, answers), strict=True))
    tokens: list[Line] = []
    for name in QUANTILES:
        tokens += lines([({**labels, "name": name}, p) for labels, p in found[name]], "name")
    return Timeline(
        shares=lines(found["shares"], "pool"),
        first_tokens=tuple(tokens),
        burn_rates=lines(found["burn"], "slo"),
    )


async def decisions(
    source: MetricHistory, namespace: str, route: str, *, start: datetime, end: datetime
) -> tuple[DecisionView, ...]:
    """Ask which decisions the counter tells of; empty names mean all.

    Raises:
        NotANameError: namespace or route is no name.
        PortError: Prometheus does not answer, or refuses.
    """
    query = (
        "sum by (namespace, route, transition)"
        f" (tokenfleet_decisions_total{{{_matcher(namespace, route)}}})"
    )
    step = step_of(end - start)
    return counted(_pairs(await source.query_range(query, start=start, end=end, step=step)))


def queries(namespace: str, route: str, step: timedelta) -> dict[str, str]:
    """Return the queries of a timeline by what they ask for.

    Raises:
        NotANameError: namespace or route is no name.
    """
    where = _matcher(namespace, route)
    window = f"{max(step, LEAST_WINDOW).total_seconds():.0f}s"
    buckets = f"sum by (rule, le) (rate({TTFT}{{{where}}}[{window}]))"
    about = f"max by (namespace, slo, rule) (tokenfleet_slo_info{{{where}}})"
    of_loop = f'{_matcher(namespace, "")},window="control"'
    burn = f"max by (namespace, slo) (tokenfleet_slo_burn_rate{{{of_loop}}})"
    return {
        "shares": f"max by (rule, pool) (tokenfleet_route_share{{{where}}})",
        **{name: f"histogram_quantile({q}, {buckets})" for name, q in QUANTILES.items()},
        "burn": f"{about} * on (namespace, slo) group_left () {burn}",
    }


def _matcher(namespace: str, route: str) -> str:
    pairs = {"namespace": namespace, "route": route}
    for what, name in pairs.items():
        if name and not _NAME.fullmatch(name):
            msg = f"{name[:80]!r} is no name of a {what}"
            raise NotANameError(msg)
    return ",".join(f'{label}="{name}"' for label, name in pairs.items() if name)


def _pairs(
    found: Sequence[Series],
) -> list[tuple[Mapping[str, str], Sequence[tuple[float, float]]]]:
    return [(series.labels, series.points) for series in found]
