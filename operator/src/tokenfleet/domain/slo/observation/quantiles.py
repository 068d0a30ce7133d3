"""Quantiles of a histogram, estimated linearly inside a bucket; for people, never for decisions."""

from collections.abc import Iterable


def quantile_of(q: float, buckets: Iterable[tuple[float, float]]) -> float | None:
    """Return the quantile of q, 0..1; None where nothing was counted.

    Above the last finite boundary the answer is that boundary.

    Args:
        q: part of what was counted that is at or below the answer.
        buckets: (upper boundary, counted at or below it), the last one infinite.
    """
    steps = sorted(buckets)
    if not steps or steps[-1][1] <= 0:
        return None
    wanted, lower, below = q * steps[-1][1], 0.0, 0.0
    for boundary, count in steps:
        if count >= wanted:
            if boundary == float("inf") or count <= below:
                return lower
            return lower + (boundary - lower) * (wanted - below) / (count - below)
        lower, below = boundary, max(below, count)
    return lower
