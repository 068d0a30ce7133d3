"""Durations and quantities as text: read and written, by the standard library alone.

The router's agent reads its flags by this, and pays for no API model. The form of a duration is the
Gateway API's (GEP-2257), that of a quantity Kubernetes' own.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

DURATION_PATTERN: Final = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
QUANTITY_PATTERN: Final = r"^[0-9]{1,15}(\.[0-9]{1,3})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"

_DURATION_UNITS: Final[Mapping[str, timedelta]] = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_QUANTITY_UNITS: Final[Mapping[str, Decimal]] = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTP", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTP", start=1)},
}


def parse_duration(text: str) -> timedelta:
    """Read a Gateway API duration.

    Raises:
        ValueError: the text is not of the form `([0-9]{1,5}(h|m|s|ms)){1,4}`.
    """
    if not re.fullmatch(DURATION_PATTERN, text):
        msg = f"{text!r} is not a duration such as 500ms, 30s, 10m or 1h30m{_instead(text)}"
        raise ValueError(msg)
    parts = re.findall(r"([0-9]+)(ms|h|m|s)", text)
    return sum((int(count) * _DURATION_UNITS[unit] for count, unit in parts), timedelta())


def _instead(text: str) -> str:
    """Return what somebody may write who wrote days, fractions of a unit, or no unit."""
    found = re.fullmatch(r"([0-9]{1,4})(?:\.([0-9]{1,3}))?(d|h|m|s)?", text)
    if found is None:
        return ""
    whole, part, unit = found.groups()
    if unit is None:
        return f": give it a unit, as in {whole}s" if part is None else ": give it a unit"
    size = timedelta(days=1) if unit == "d" else _DURATION_UNITS[unit]
    value = size * int(whole) + size * int(part or 0) / 10 ** len(part or "")
    hours = value // timedelta(hours=1)
    written = f"{hours}h" if value == hours * timedelta(hours=1) else format_duration(value)
    return f": write {written}" if value and re.fullmatch(DURATION_PATTERN, written) else ""


def format_duration(value: timedelta) -> str:
    """Write a duration in the shortest form with one unit: 1m, 90s, 500ms."""
    milliseconds = value // timedelta(milliseconds=1)
    for unit in ("h", "m", "s"):
        size = _DURATION_UNITS[unit] // timedelta(milliseconds=1)
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def parse_quantity(text: str) -> Decimal:
    """Read a Kubernetes quantity in its base unit: bytes, or cores.

    Raises:
        ValueError: the text is not a quantity such as 500m, 16 or 8Mi.
    """
    if not re.fullmatch(QUANTITY_PATTERN, text):
        msg = f"{text!r} is not a quantity such as 500m, 16 or 8Mi"
        raise ValueError(msg)
    digits = text.rstrip("mkKMGTPi")
    return Decimal(digits) * _QUANTITY_UNITS[text[len(digits) :]]
