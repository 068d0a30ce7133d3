"""Shares: whole buckets that sum to exactly `BUCKETS`.

Each backend has a baseline from its weight; its loop keeps w of that and gives the rest to the
fallback it chose. Rounding is largest remainder: each floor loses less than one bucket, so fewer
buckets are missing than there are pools and one pass hands them all out. Ties go by name: equal
input, equal output, whatever the order.
"""

from collections.abc import Mapping
from functools import lru_cache

from tokenfleet.domain.routing.ir import BUCKETS


def apportion(weights: Mapping[str, float], seats: int = BUCKETS) -> dict[str, int]:
    """Split whole seats in proportion to weights of at least 0; all zero counts as all equal."""
    total = sum(weights.values())
    if total <= 0:
        return apportion(dict.fromkeys(weights, 1.0), seats) if weights else {}
    exact = {name: weight / total * seats for name, weight in weights.items()}
    floors = {name: int(value) for name, value in exact.items()}
    missing = seats - sum(floors.values())
    most_lost = sorted(exact, key=lambda name: (floors[name] - exact[name], name))[:missing]
    return {name: floors[name] + (name in most_lost) for name in weights}


def baseline(backends: Mapping[str, int]) -> dict[str, int]:
    """Return the shares of the weights as written."""
    return dict(_written(tuple(backends.items())))


@lru_cache(maxsize=4096)
def _written(backends: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """Remember them: every step of every rule asks several times."""
    return tuple(apportion({pool: float(weight) for pool, weight in backends}).items())


def shifted(
    backends: Mapping[str, int],
    kept: Mapping[str, tuple[float, Mapping[str, int]]],
    fallbacks: tuple[str, ...],
) -> dict[str, int]:
    """Return the shares of a rule, backends first, then fallbacks, zeros included.

    Args:
        backends: pool -> weight.
        kept: backend -> (w, fallback -> its part of the rest). A backend that is absent keeps all;
            one without a fallback too.
        fallbacks: pools that must appear in the answer.
    """
    shares = dict.fromkeys((*backends, *fallbacks), 0)
    for pool, seats in baseline(backends).items():
        w, parts = kept.get(pool, (1.0, {}))
        if not parts:
            shares[pool] += seats
            continue
        stay = round(seats * w)
        shares[pool] += stay
        moved = apportion({name: float(part) for name, part in parts.items()}, seats - stay)
        for fallback, part in moved.items():
            shares[fallback] = shares.get(fallback, 0) + part
    return shares
