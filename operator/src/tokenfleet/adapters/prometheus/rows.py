"""What the labels of a row say; None where they say nothing that makes sense."""

import math
from datetime import timedelta
from functools import lru_cache
from typing import Final

from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.ports import Sample

END_OF_TIME: Final = 1e11
"""Seconds; what lies beyond is no time, and no `datetime` either."""


def rule_of(row: Sample) -> RuleKey | None:
    """Return the rule that a row is about; None for a series of something else under our name."""
    get = row.labels.get
    namespace, route, rule = get("namespace"), get("route"), get("rule")
    return RuleKey(namespace, route, rule) if namespace and route and rule else None


def window_of(row: Sample) -> timedelta | None:
    """Return the window that the query marked the row with."""
    return _window(row.labels.get("window", ""))


# Tens of thousands of rows carry some dozens of windows and boundaries: each is read once.
@lru_cache(maxsize=1024)
def _window(text: str) -> timedelta | None:
    milliseconds = number(text)
    if milliseconds is None or not sound(milliseconds) or milliseconds > END_OF_TIME:
        return None
    return timedelta(milliseconds=milliseconds)


@lru_cache(maxsize=1024)
def seconds(text: str) -> timedelta | None:
    """Return a finite boundary in whole milliseconds."""
    value = number(text)
    if value is None or not sound(value) or value > END_OF_TIME:
        return None
    return timedelta(milliseconds=round(value * 1000))


@lru_cache(maxsize=1024)
def number(text: str) -> float | None:
    """Return the number that a label holds, which may be infinite or none."""
    try:
        return float(text)
    except ValueError:
        return None


def sound(value: float) -> bool:
    """Tell whether a value can be a count."""
    return math.isfinite(value) and value >= 0
