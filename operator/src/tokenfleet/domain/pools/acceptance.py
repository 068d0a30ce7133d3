"""What speculation is worth: the part of the proposed tokens that targets take, pool by pool.

The metric is live. A status is written, so it shows steps: what moves within one is not worth a
write.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from tokenfleet.domain.slo.observation.measurement import EngineLoad

Place = tuple[str, str]
"""(namespace, pool)."""

STEP: Final = 0.05
"""Between two values of a status. The alert is at 0.3, and published speedups begin above 0.6."""


def acceptances(loads: Mapping[Place, EngineLoad]) -> dict[Place, float]:
    """Return what is known, 0 to 1; pools that propose nothing are left out."""
    return {
        place: min(1.0, load.acceptance)
        for place, load in loads.items()
        if load.acceptance is not None
    }


def shown(acceptance: float | None) -> str | None:
    """Return what a status says, a decimal number."""
    return None if acceptance is None else f"{round(acceptance / STEP) * STEP:.2f}"


def moved(before: Mapping[Place, float], after: Mapping[Place, float]) -> Iterable[Place]:
    """Return the pools whose status says something else now, sorted."""
    return sorted(
        place
        for place in before.keys() | after.keys()
        if shown(before.get(place)) != shown(after.get(place))
    )
