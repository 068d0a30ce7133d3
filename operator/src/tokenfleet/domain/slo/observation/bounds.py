"""Bounds: how much a count of bad attempts proves.

With p the bad fraction of n independent attempts, the chance to see a fraction as far above q as p
although q is the truth is at most exp(-n * KL(p, q)) (Chernoff 1952; Hoeffding 1963, theorem 1),
with the divergence of two coins

    KL(p, q) = p log(p/q) + (1-p) log((1-p)/(1-q))

in nats. `n * KL` is therefore the weight of the evidence against q: weight w leaves a chance of
e^-w. It holds for any n, three attempts as well as three million, so no minimum of attempts is
needed; the same bound from the other side proves health. As an index over many looks it is that of
KL-UCB (Garivier and Cappe 2011).

Looks are repeated. Let a window be looked at every d seconds; if each look is wrong with chance a,
there are a/d false alarms a second in the mean, however the looks overlap, because expectations add
up. Windows of several lengths share the rate evenly. So the mean time between false alarms is at
least `QUIET` when window i asks for the weight

    log(number of windows * QUIET / d_i)

which is the guarantee of an e-detector (Shin, Ramdas and Rinaldo 2023) by a union over looks; it
costs some two nats beside a detector that is tuned, and needs no state.

Attempts that share their fate prove less than as many independent ones; see dispersion.py. And a
window of n scrapes only sees n - 1 intervals, the rest is extrapolated: its attempts are discounted
by that.
"""

import math
from datetime import timedelta
from typing import Final

QUIET: Final = timedelta(days=30)
"""Least mean time between two false alarms about a pool that spends its budget exactly."""
PROBE_WEIGHT: Final = math.log(500)
"""Nats that prove a pool bad which was proven bad before, or which nothing was known about: a
chance of 0.2 % for each look."""
HEALTH_WEIGHT: Final = math.log(50)
"""Nats that prove a pool well again: a chance of 2 % to be wrong costs one step back and forth."""
LIKELY: Final = 3.0
"""Nats of the least bad fraction that is called proven: 5 % is left."""
COMPARED_WEIGHT: Final = 2.0
"""Nats for the lesser of two evils, where being wrong costs as much either way."""


def divergence(p: float, q: float) -> float:
    """Return KL(p, q) in nats; both 0..1. Infinite where q rules out what p says happens."""
    return _part(p, q) + _part(1 - p, 1 - q)


def weight(bad: float, total: float, q: float) -> float:
    """Return how many nats the counts weigh against a bad fraction of q, on either side of it."""
    return total * divergence(bad / total, q) if total > 0 else 0.0


def least(bad: float, total: float, nats: float) -> float:
    """Return the smallest bad fraction that the counts leave plausible; 0 without attempts."""
    if total <= 0 or bad <= 0:
        return 0.0
    low, high = 0.0, bad / total
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if weight(bad, total, middle) >= nats else (low, middle)
    return low


def looks_weight(window: timedelta, *, windows: int, quarters: int) -> float:
    """Return the nats that one of several windows asks for, looked at once per its quarter."""
    return math.log(windows * QUIET / (window / quarters))


_HALVINGS: Final = 30
"""Bisections: an error below 1e-9."""


def _part(p: float, q: float) -> float:
    if p <= 0:
        return 0.0
    return p * math.log(p / q) if q > 0 else math.inf
