"""Profiles: values over time, from data.

A `Course` is a base, a wave on it, and episodes that replace it. A `Fault` is what is wrong with a
pool, from when to when; `afflicted` turns faults into the profiles of the pool. Both are what
`scenarios.yaml`, a load file and `--fault` say.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

Profile = Callable[[float], float]
"""Seconds since the start -> value."""


def constant(value: float) -> Profile:
    """Return a profile that never changes."""
    return lambda _: value


def during(start: float, end: float, value: float, otherwise: float) -> Profile:
    """Return a profile that differs between two moments."""
    return lambda t: value if start <= t < end else otherwise


ONE: Final[Profile] = constant(1.0)
ZERO: Final[Profile] = constant(0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A time in which something is otherwise."""

    start: float
    """Seconds since the start."""
    lasts: float = math.inf
    every: float = math.inf
    """Seconds after which it begins again; infinite: once."""
    until: float = math.inf
    """When nothing of it begins or lasts any more."""

    def holds(self, t: float) -> bool:
        """Tell whether it is now."""
        if not self.start <= t < self.until:
            return False
        since = t - self.start
        return (since if self.every == math.inf else since % self.every) < self.lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A number over time; a profile."""

    base: float
    wave: float = 0.0
    """Height of a sine on the base."""
    period: float = 3600.0
    episodes: tuple[tuple[Episode, float], ...] = ()
    """Times and the value in each; the first that holds wins."""

    def __call__(self, t: float) -> float:
        """Return the value at a moment."""
        for episode, value in self.episodes:
            if episode.holds(t):
                return value
        if not self.wave:
            return self.base
        return self.base + self.wave * math.sin(2 * math.pi * t / self.period)


class Kind(StrEnum):
    """What can be wrong with a pool."""

    SLOW = "Slow"
    """Service and first token take `factor` times as long."""
    ERRORS = "Errors"
    """The fraction `factor` of attempts is answered with an error."""
    LATE = "Late"
    """The fraction `factor` of first tokens is late whatever the load."""
    HANG = "Hang"
    """Attempts are accepted and never answered."""
    OUTAGE = "Outage"
    """There is no ready replica."""


class Shape(StrEnum):
    """How the factor of a fault runs while it lasts."""

    STEP = "Step"
    WAVE = "Wave"
    """From 0 to `factor` and back in each `period`."""
    DRAWN = "Drawn"
    """Drawn anew every `period` with `factor` as its mean, mostly next to nothing and seldom much:
    Beta(0.4, 0.4 (1 / mean - 1))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with one pool."""

    pool: str
    kind: Kind
    when: Episode
    factor: float = 1.0
    shape: Shape = Shape.STEP
    period: float = 60.0

    def course(self, seed: str) -> Profile:
        """Return its factor over time; NaN while it is not there."""
        shaped: dict[Shape, Callable[[float], float]] = {
            Shape.STEP: lambda _: self.factor,
            Shape.WAVE: lambda t: (
                self.factor * (1 - math.cos(2 * math.pi * (t - self.when.start) / self.period)) / 2
            ),
            Shape.DRAWN: _Drawn(self.factor, self.period, seed),
        }
        value, holds = shaped[self.shape], self.when.holds
        return lambda t: value(t) if holds(t) else math.nan


@dataclass(slots=True)
class _Drawn:
    mean: float
    period: float
    seed: str
    _slot: int = -1
    _value: float = 0.0

    def __call__(self, t: float) -> float:
        slot = int(t // self.period)
        if slot != self._slot:
            self._slot = slot
            random = Random(f"{self.seed} {slot}")  # noqa: S311 - a model, not a secret
            self._value = random.betavariate(SKEW, SKEW * (1 / self.mean - 1))
        return self._value


@dataclass(frozen=True, slots=True, kw_only=True)
class Afflictions:
    """The profiles of one pool."""

    slowness: Profile = ONE
    """Factor on service and prefill."""
    errors: Profile = ZERO
    """Fraction of attempts answered with an error."""
    late: Profile = ZERO
    """Fraction of first tokens that are late for reasons of their own."""
    hangs: Profile = ZERO
    """1 while attempts are accepted and never answered."""
    present: Profile = ONE
    """0 while the pool has no replica at all."""


SKEW: Final = 0.4
"""First parameter of the Beta distribution of what is drawn anew."""
SOUND: Final = Afflictions()


def afflicted(faults: Iterable[Fault], seed: str) -> Afflictions:
    """Return what faults make of a pool; of several of a kind the largest factor counts."""
    by_kind: dict[Kind, list[Profile]] = {}
    for number, fault in enumerate(faults):
        by_kind.setdefault(fault.kind, []).append(fault.course(f"{seed} {number}"))

    def largest(kind: Kind, otherwise: Profile) -> Profile:
        courses = by_kind.get(kind)
        if courses is None:
            return otherwise
        least = otherwise(0.0)
        return _Largest(tuple(courses), least)

    if not by_kind:
        return SOUND
    outage = largest(Kind.OUTAGE, ZERO)
    return Afflictions(
        slowness=largest(Kind.SLOW, ONE),
        errors=largest(Kind.ERRORS, ZERO),
        late=largest(Kind.LATE, ZERO),
        hangs=largest(Kind.HANG, ZERO),
        present=ONE if outage is ZERO else lambda t: 1.0 - min(1.0, outage(t)),
    )


@dataclass(slots=True)
class _Largest:
    courses: tuple[Profile, ...]
    least: float
    found: list[float] = field(default_factory=list)

    def __call__(self, t: float) -> float:
        value = self.least
        for course in self.courses:
            at = course(t)
            if at == at and at > value:  # noqa: PLR0124 - NaN: the fault is not there
                value = at
        return value
