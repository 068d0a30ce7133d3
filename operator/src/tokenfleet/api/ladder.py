"""The histogram ladder: the one list of latency boundaries that Envoy, CEL and the queries share.

A threshold on a boundary makes "the fraction under the threshold" exact, because it is a quotient
of two counters; between boundaries it would be a guess. The list is dense where people notice
latency and spans 5 ms to 10 min.
"""

from datetime import timedelta
from typing import Final

LADDER_MILLISECONDS: Final[tuple[int, ...]] = (
    5, 10, 20, 30, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1_000, 1_500, 2_000, 2_500,
    3_000, 4_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 45_000, 60_000, 90_000, 120_000,
    180_000, 300_000, 600_000,
)  # fmt: skip
"""Upper boundaries of the buckets, in milliseconds, ascending."""

LADDER: Final[tuple[timedelta, ...]] = tuple(timedelta(milliseconds=m) for m in LADDER_MILLISECONDS)
