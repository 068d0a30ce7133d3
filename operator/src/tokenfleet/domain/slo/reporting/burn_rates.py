"""Burn rates for people: the windows and limits of the alerts that one static set of rules has.

Windows and factors are those of the SRE workbook, table 5-8, and the factors are capped as the
control loop's limits are, because the largest burn rate there is, 1/B, lies below them for lax
targets: 20 for p95, 10 for p90.

    ========  =======================  ==============================  ========================
    severity  long and short window    factor                          for p99.9, p99, p95, p90
    ========  =======================  ==============================  ========================
    page      1 h and 5 min            fast limit / B (14.4)           14.4, 14.4, 5, 2.5
    page      6 h and 30 min           slow limit / B (6)              6, 6, 2.5, 1.25
    ticket    3 d and 6 h              1                               1
    ========  =======================  ==============================  ========================

Both windows of a pair must burn faster than the factor: the long one so that it matters, the short
one so that the alert ends when the trouble does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from tokenfleet.domain.slo.objectives.spec import LEAST_REQUESTS, ObjectiveSpec, Windows
from tokenfleet.domain.slo.observation.evidence import count
from tokenfleet.domain.slo.observation.measurement import Cell, RuleKey

NEAR: Final = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=1))
"""Windows that a page depends on for minutes: renewed every minute."""
FAR: Final = (timedelta(hours=6),)
"""The window of a slow page: renewed every five minutes."""
FARTHEST: Final = (timedelta(days=3),)
"""The window of a ticket, which costs a store much to read: renewed every half hour, and alone, so
that a store that cannot do it still gives the others."""

LABELS: Final[Mapping[timedelta, str]] = {
    timedelta(minutes=5): "5m",
    timedelta(minutes=30): "30m",
    timedelta(hours=1): "1h",
    timedelta(hours=6): "6h",
    timedelta(days=3): "3d",
}
"""Window -> its name in metrics and rules."""


def looking_back(objective: ObjectiveSpec, windows: tuple[timedelta, ...]) -> ObjectiveSpec:
    """Return the objective as it is measured over other windows."""
    return replace(objective, windows=Windows(short=windows[0], long=windows[-1], wanted=windows))


def burn_rates(
    objective: ObjectiveSpec,
    cells: Mapping[RuleKey, Iterable[Cell]],
    windows: Iterable[timedelta],
) -> dict[timedelta, float]:
    """Return how fast the error budget burns, by window, over all pools and rules it is about.

    A window with fewer than 20 attempts, or than `minimumEvents`, has no burn rate: half of two
    requests is luck, and nobody should be woken by it. One with a value that is no number has none.
    """
    mine = [cell for key, found in cells.items() if _about(objective, key) for cell in found]
    if any(cell.broken for cell in mine if cell.signal is objective.signal):
        return {}
    counted = {window: count(mine, window, objective) for window in windows}
    return {
        window: counts.ratio / objective.budget
        for window, counts in counted.items()
        if counts.total >= max(LEAST_REQUESTS, objective.min_total)
    }


def factors(objective: ObjectiveSpec) -> dict[timedelta, float]:
    """Return the burn rate that an alert asks for, by its long window."""
    return {
        NEAR[-1]: objective.fast_limit / objective.budget,
        FAR[-1]: objective.slow_limit / objective.budget,
        FARTHEST[-1]: 1.0,
    }


def _about(objective: ObjectiveSpec, key: RuleKey) -> bool:
    return key[:2] == (objective.namespace, objective.route) and objective.rule in {None, key.rule}
