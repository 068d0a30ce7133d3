"""What an objective asks for more often than the operator looks, or Prometheus scrapes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.units import format_duration as words
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.slo.objectives.spec import CLEAR_FACTOR, SCRAPES

LEVELS: Final = frozenset({"CostPerRequest", "Spend", "CacheHitRate"})
"""Objectives about a mean; their shortest window is `CLEAR_FACTOR` x shortWindow."""

MINUTES: Final = frozenset({"FastPathShare"})
"""Objectives that have a window of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things are seen."""

    tick: timedelta
    """Between two looks of the operator."""
    scrape: timedelta
    """Between two scrapes of a router, as declared."""


def never_fresh(slo: TokenSLO, pace: Pace) -> Iterator[Problem]:
    """Yield a problem where samples are too old before there are others: the loop holds then."""
    limit = slo.spec.data.max_staleness
    if limit < pace.scrape:
        yield Problem(
            condition=ACCEPTED,
            reason="StaleBetweenScrapes",
            message=f"data.maxStaleness is {words(limit)}, and routers are scraped every"
            f" {words(pace.scrape)}: samples are too old before there are others, and nothing"
            f" moves then; raise it to at least {words(2 * pace.scrape)}, two scrapes",
        )


def hasty(slo: TokenSLO, pace: Pace) -> str:
    """Say which windows of an objective are too short for the pace; empty where none is.

    That windows of attempts are made longer where scrapes are rare says the loop itself.
    """
    kind, short = slo.spec.objective.type, slo.spec.control.short_window
    if kind in MINUTES:
        return ""
    if kind in LEVELS:
        least = max(pace.scrape, pace.tick / CLEAR_FACTOR)
        if short >= least:
            return ""
        return (
            f"the shortest window is {words(CLEAR_FACTOR * short)}, {CLEAR_FACTOR} x"
            f" spec.control.shortWindow: too short for a look every {words(pace.tick)} and a scrape"
            f" every {words(pace.scrape)}; set it to at least {words(least)}"
        )
    stretched = SCRAPES * pace.scrape
    windows = {"shortWindow": short, "longWindow": slo.spec.control.long_window}
    missing = [name for name, window in windows.items() if max(window, stretched) < pace.tick]
    if not missing:
        return ""
    verb = "is" if len(missing) == 1 else "are"
    return (
        f"the operator looks every {words(pace.tick)}, and spec.control."
        f"{' and '.join(missing)} {verb} shorter: attempts between two looks count in longer"
        f" windows only; set it to at least {words(pace.tick)}"
    )
