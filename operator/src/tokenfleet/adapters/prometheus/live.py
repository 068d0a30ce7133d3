"""What Prometheus says of a fleet now, for people who look at it: one instant, a few queries."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tokenfleet.adapters.prometheus import engine_signals
from tokenfleet.adapters.prometheus.rows import sound
from tokenfleet.ports import MetricSource, Sample

WINDOW: Final = "2m"
"""Eight scrapes of the documented 15 s: young enough to be called now."""

_TTFT: Final = "tokenfleet_time_to_first_token_seconds_bucket"
_RULE: Final = "namespace, route, rule"

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Numbers of this moment; what is not known is absent."""

    rates: Mapping[Key, float] = field(default_factory=dict)
    """(namespace, route, rule) -> requests per second that clients send."""
    p50: Mapping[Key, float] = field(default_factory=dict)
    """(namespace, route, rule) -> seconds to the first token."""
    p99: Mapping[Key, float] = field(default_factory=dict)
    burn: Mapping[Key, float] = field(default_factory=dict)
    """(namespace, slo) -> burn rate of the control window."""
    inflight: Mapping[Key, float] = field(default_factory=dict)
    """(namespace, pool) -> attempts under way."""
    demand: Mapping[Key, float] = field(default_factory=dict)
    """(namespace, pool) -> requests per second, as if nothing were shifted."""
    kv_cache: Mapping[Key, float] = field(default_factory=dict)
    """(namespace, pool) -> part in use."""
    waiting: Mapping[Key, float] = field(default_factory=dict)
    """(namespace, pool) -> requests in the engines' queues."""
    features: Mapping[Key, float] = field(default_factory=dict)
    """(namespace, route, feature) -> tokens per second."""

    def rows(self) -> dict[str, list[dict[str, str | float]]]:
        """Return the numbers by field, each with its labels by name, for JSON."""
        return {
            name: [
                {**dict(zip(_LABELS[name], key, strict=True)), "value": value}
                for key, value in sorted(values.items())
            ]
            for name in _LABELS
            for values in [getattr(self, name)]
        }


_LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("rates", "p50", "p99"), ("namespace", "route", "rule")),
    "burn": ("namespace", "slo"),
    **dict.fromkeys(("inflight", "demand", "kv_cache", "waiting"), ("namespace", "pool")),
    "features": ("namespace", "route", "feature"),
}


async def live(source: MetricSource, namespace: str, *, at: datetime) -> Live:
    """Ask for everything, of one namespace or (empty) of all.

    Raises:
        PortError: Prometheus does not answer, or refuses.
    """
    asked = queries(namespace)
    answers = await asyncio.gather(*(source.query(query, at=at) for query in asked.values()))
    found = {name: _values(rows, _LABELS[name]) for name, rows in zip(asked, answers, strict=True)}
    return Live(**found)


def queries(namespace: str) -> dict[str, str]:
    """Return the queries by field of `Live`."""
    where = f'namespace="{namespace}"' if namespace else 'namespace!=""'
    buckets = f"sum by ({_RULE}, le) (rate({_TTFT}{{{where}}}[{WINDOW}]))"
    series = (f"tokenfleet_{kind}_tokens_total{{{where}}}" for kind in ("prompt", "completion"))
    tokens = " + ".join(
        f"sum by (namespace, route, feature) (rate({name}[{WINDOW}]))" for name in series
    )
    of_pool = "by (namespace, pool)"
    return {
        "rates": f"sum by ({_RULE}) (rate(tokenfleet_requests_started_total{{{where}}}[{WINDOW}]))",
        "p50": f"histogram_quantile(0.5, {buckets})",
        "p99": f"histogram_quantile(0.99, {buckets})",
        "burn": f'max by (namespace, slo) (tokenfleet_slo_burn_rate{{{where},window="control"}})',
        "inflight": f"sum {of_pool} (tokenfleet_inflight{{{where}}})",
        "demand": f"max {of_pool} (tokenfleet_pool_demand{{{where}}})",
        "kv_cache": engine_signals.gauge("kv_cache", where=f'{where},pool!=""'),
        "waiting": engine_signals.gauge("waiting", where=f'{where},pool!=""', total="sum"),
        "features": f"topk(5, {tokens})",
    }


def _values(rows: Sequence[Sample], labels: Sequence[str]) -> dict[Key, float]:
    return {
        tuple(row.labels.get(label, "") for label in labels): row.value
        for row in rows
        if sound(row.value)
    }
