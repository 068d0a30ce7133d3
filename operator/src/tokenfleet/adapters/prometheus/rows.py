"""What the labels of a row say; None where they say nothing that makes sense."""

import math
from datetime import timedelta
from typing import Final

from tokenfleet.domain.slo.observation import RuleKey
from tokenfleet.ports import Sample

END_OF_TIME: Final = 1e11
"""Seconds; what lies beyond is no time, and no `datetime` either."""


def rule_of(row: Sample) -> RuleKey | None:
    """Return the rule that a row is about; None for a series of something else under our name."""
    labels = row.labels
    if not all(labels.get(name) for name in RuleKey._fields):
        return None
    return RuleKey(labels["namespace"], labels["route"], labels["rule"])


def window_of(row: Sample) -> timedelta | None:
    """Return the window that the query marked the row with."""
    milliseconds = number(row.labels.get("window", ""))
    if milliseconds is None or not sound(milliseconds) or milliseconds > END_OF_TIME:
        return None
    return timedelta(milliseconds=milliseconds)


def seconds(text: str) -> timedelta | None:
    """Return a finite boundary in whole milliseconds."""
    value = number(text)
    if value is None or not sound(value) or value > END_OF_TIME:
        return None
    return timedelta(milliseconds=round(value * 1000))


def number(text: str) -> float | None:
    """Return the number that a label holds, which may be infinite or none."""
    try:
        return float(text)
    except ValueError:
        return None


def sound(value: float) -> bool:
    """Tell whether a value can be a count."""
    return math.isfinite(value) and value >= 0
