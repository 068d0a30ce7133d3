"""Where a latency budget goes: what each stage of a route takes, in the median and at the tail."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tokenfleet.api.v1alpha1.latency_budget import TOTAL, LatencyBudget
from tokenfleet.domain.slo.observation.quantiles import quantile_of

LEAST: Final = 20
"""Fewest requests in an hour whose quantiles mean anything."""

Buckets = tuple[tuple[float, float], ...]
"""(upper boundary in seconds, requests at or below it), ascending, the last one infinite."""

Took = Mapping[tuple[str, str, str], Buckets]
"""(namespace, route, stage) -> distribution over the last hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a route, and what it took in the last hour."""

    name: str
    budget: timedelta
    p50: float | None = None
    """Seconds; None: not known."""
    p99: float | None = None
    """Seconds; None: not known."""


def stages(budget: LatencyBudget, took: Mapping[str, Buckets]) -> tuple[Stage, ...]:
    """Return every stage of a budget, in its order, and all of them together.

    Args:
        budget: as the user wrote it.
        took: stage -> distribution.
    """
    written = [(stage.name, stage.budget) for stage in budget.stages]
    return tuple(
        Stage(
            name=name,
            budget=limit,
            p50=_quantile(0.50, took.get(name, ())),
            p99=_quantile(0.99, took.get(name, ())),
        )
        for name, limit in (*written, (TOTAL, budget.total))
    )


def of_route(took: Took, namespace: str, route: str) -> dict[str, Buckets]:
    """Return stage -> distribution of one route."""
    return {key[2]: found for key, found in took.items() if key[:2] == (namespace, route)}


def _quantile(q: float, buckets: Buckets) -> float | None:
    counted = max((count for _, count in buckets), default=0.0)
    return quantile_of(q, buckets) if counted >= LEAST else None
