"""What engines say of themselves, as PromQL: every family under its own names, in one expression.

A family that no pool has costs nothing: its series do not exist. `or` joins the families, and a
pool has engines of one family; so which one it is need not be asked.
"""

from collections.abc import Iterable, Sequence

from tokenfleet.domain.pools.engines.engine import Signals
from tokenfleet.domain.pools.engines.families import FAMILIES

POOLS = 'pool!=""'
"""Of the metrics with these names those that the operator's labels make a pool's."""


def gauge(signal: str, *, window: str = "", where: str = POOLS, total: str = "avg") -> str:
    """Return a gauge of every pool.

    Args:
        signal: field of `Signals`.
        window: PromQL duration for a mean over time; empty: the newest value.
        where: matchers.
        total: aggregation over a pool's engines.
    """
    return " or ".join(
        f"{total} by (namespace, pool) ({_over_time(f'{name}{{{where}}}', window)})"
        for names in _named(signal)
        for name in names
    )


def increase(signal: str, *, by: Sequence[str], window: str) -> str:
    """Return by how much a counter rose in a window, over all engines of a pool."""
    grouping = ", ".join(by)
    return " or ".join(
        " + ".join(f"sum by ({grouping}) (increase({name}{{{POOLS}}}[{window}]))" for name in names)
        for names in _named(signal)
    )


def acceptance(*, window: str) -> str:
    """Return the part of the proposed tokens that targets took; idle pools have none."""
    by = "by (namespace, pool)"
    parts = [
        f"sum {by} (rate({accepted}{{{POOLS}}}[{window}]))"
        f" / (sum {by} (rate({drafted}{{{POOLS}}}[{window}])) > 0)"
        for signals in _families()
        for accepted, drafted in zip(signals.accepted, signals.drafted, strict=True)
    ]
    # An engine that proposes nothing at the moment says 0.
    parts += [
        f"avg {by} (avg_over_time(({name}{{{POOLS}}} > 0)[{window}:30s]))"
        for names in _named("acceptance")
        for name in names
    ]
    return " or ".join(parts)


def _families() -> Iterable[Signals]:
    return (family.SIGNALS for family in FAMILIES.values())


def _named(signal: str) -> Iterable[tuple[str, ...]]:
    """Return the names of one signal, by family; families without it are left out."""
    return (names for signals in _families() if (names := getattr(signals, signal)))


def _over_time(series: str, window: str) -> str:
    return f"avg_over_time({series}[{window}])" if window else series
