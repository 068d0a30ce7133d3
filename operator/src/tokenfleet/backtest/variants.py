"""Sensitivity: the same recorded data under other thresholds.

Each variant changes one thing of every objective in the file and is replayed from the start. What
it shows is as exact as the replay itself, and as blind to what a shift would have changed.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Final

from tokenfleet.domain.slo.objectives.spec import BREACH_EXCESS, ObjectiveSpec, Windows

AS_WRITTEN: Final = "as written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled(ObjectiveSpec):
    """An objective whose limits of a breach are a factor of what its target gives."""

    factor: float = 1.0

    @property
    def fast_limit(self) -> float:
        """Return the scaled limit, below everything bad."""
        return min(self.factor * _fast(self), (1 + _fast(self)) / 2)

    @property
    def slow_limit(self) -> float:
        """Return the scaled limit, below everything bad."""
        return min(self.factor * _slow(self), (1 + _slow(self)) / 2)

    def limit(self, window: timedelta, excess: float = BREACH_EXCESS) -> float:
        """Return the limit for a scaled excess."""
        return ObjectiveSpec.limit(self, window, self.factor * excess)


def _fast(spec: ObjectiveSpec) -> float:
    return float(ObjectiveSpec.fast_limit.fget(spec))  # type: ignore[attr-defined]


def _slow(spec: ObjectiveSpec) -> float:
    return float(ObjectiveSpec.slow_limit.fget(spec))  # type: ignore[attr-defined]


def limits(factor: float) -> Callable[[ObjectiveSpec], ObjectiveSpec]:
    """Return a change of the bad fractions that are called a breach."""

    def change(spec: ObjectiveSpec) -> ObjectiveSpec:
        values = {item.name: getattr(spec, item.name) for item in fields(spec)}
        return Scaled(**values, factor=factor)

    return change


def windows(factor: float) -> Callable[[ObjectiveSpec], ObjectiveSpec]:
    """Return a change of all four windows, and of the waits that follow the short one."""

    def scaled(window: timedelta) -> timedelta:
        return timedelta(seconds=max(1, round(window.total_seconds() * factor)))

    def change(spec: ObjectiveSpec) -> ObjectiveSpec:
        held = Windows(short=scaled(spec.windows.short), long=scaled(spec.windows.long))
        return replace(spec, windows=held, policy=replace(spec.policy, short=held.short))

    return change


def evidence(factor: float) -> Callable[[ObjectiveSpec], ObjectiveSpec]:
    """Return a change of the attempts that a judgement needs."""

    def change(spec: ObjectiveSpec) -> ObjectiveSpec:
        return replace(
            spec,
            min_total=max(1, round(spec.min_total * factor)),
            min_bad=max(1, round(spec.min_bad * factor)),
        )

    return change


VARIANTS: Final[dict[str, Callable[[ObjectiveSpec], ObjectiveSpec]]] = {
    "limits x 0.5": limits(0.5),
    "limits x 2": limits(2.0),
    "windows x 0.5": windows(0.5),
    "windows x 2": windows(2.0),
    "minimumEvents x 0.5": evidence(0.5),
    "minimumEvents x 2": evidence(2.0),
}
"""Name -> change of each objective."""
