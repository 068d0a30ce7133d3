"""How much was asked of every rule in a span of the past, piece by piece: one query."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.adapters.prometheus.queries import asked_in
from tokenfleet.adapters.prometheus.rows import rule_of, sound
from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.ports import MetricHistory, Sample

LEAST_PIECE: Final = timedelta(minutes=1)
"""Four scrapes of the documented 15 s: a rate over less is mostly extrapolation."""
MOST_PIECES: Final = 96
"""A quarter of an hour each for a day."""

Rates = Mapping[RuleKey, tuple[float, ...]]
"""Rule -> requests per second in each piece, the oldest first; absent without a series."""


def piece_of(span: timedelta) -> timedelta:
    """Return the length of a piece of a span, in whole seconds."""
    return max(LEAST_PIECE, timedelta(seconds=-(-span // (MOST_PIECES * timedelta(seconds=1)))))


async def past_load(source: MetricHistory, *, end: datetime, span: timedelta) -> Rates:
    """Ask what clients sent to rules in the span that ends at `end`, at least one piece long.

    Raises:
        PortError: the store failed.
    """
    piece = piece_of(span)
    count = span // piece
    first = end - (count - 1) * piece
    answer = await source.query_range(asked_in(piece).text, start=first, end=end, step=piece)
    rates: dict[RuleKey, list[float]] = {}
    for series in answer:
        key = rule_of(Sample(series.labels, 0.0, end))
        if key is None:
            continue
        held = rates.setdefault(key, [0.0] * count)
        for at, value in series.points:
            place = round((at - first.timestamp()) / piece.total_seconds())
            if 0 <= place < count and sound(value):
                held[place] = value
    return {key: tuple(held) for key, held in sorted(rates.items())}
