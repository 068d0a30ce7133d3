"""Dispersion: how many attempts make one independent one.

Attempts of a conversation share their fate, and pools have better and worse minutes. Then counts
vary more than those of a coin would, by a factor phi, and n attempts prove as much as n / phi
independent ones (quasi-likelihood: Wedderburn 1974; McCullagh and Nelder 1989, section 4.5). phi
is estimated from what came before the window that is judged, as Pearson's statistic over its
degrees of freedom,

    phi = mean of (bad_i - n_i p)^2 / (n_i p (1 - p)),

over slots of the shortest window, and over blocks of 2, 4, 8 and 16 of them: clusters that are
longer than a slot only show there. The largest counts. What is judged is not among the slots, or a
fault would excuse itself; only a long window, of `OWN` blocks and more, is also looked at around
its own mean. A prior of `PRIOR`, as heavy as `PRIOR_SLOTS` slots, stands for what was not seen
where a breach is called out of the blue. What follows a proof assumes nothing (`NO_PRIOR`): a
mistake there costs a step.
"""

import math
from collections.abc import Sequence
from typing import Final

PRIOR: Final = 2.25
"""phi of a pool that nothing is known of."""
NO_PRIOR: Final = 1.0
PRIOR_SLOTS: Final = 8
DOUBT: Final = 2.0
"""phi itself is estimated: where d of D degrees of freedom were seen, and the others are the
prior's, its standard error is phi * sqrt(2 d) / D. It is taken to be some 1.4 of these higher than
it seems where a breach is called out of the blue."""
OWN: Final = 8
"""Fewest blocks of a window that say something about it by themselves."""
LONGEST_BLOCK: Final = 16
FEWEST_BLOCKS: Final = 4

Slot = tuple[float, float]
"""(good, bad) attempts."""


def dispersion(
    slots: Sequence[Slot], judged: int, *, doubt: float = 0.0, prior: float = PRIOR
) -> float:
    """Return phi for a window of so many slots; at least 1.

    Args:
        slots: one for each length of the shortest window, newest first.
        judged: how many of them the window holds.
        doubt: how far above its estimate phi is taken to be; see `DOUBT`.
        prior: phi of what was not seen.
    """
    found, size = [1.0], 1
    before, own = slots[judged:], slots[:judged]
    while size <= LONGEST_BLOCK:
        parts = [
            part for part, fewest in ((before, FEWEST_BLOCKS), (own, OWN)) if len(part) >= fewest
        ]
        if parts or size == 1:
            chi, freedom = 0.0, 0.0
            for part in parts:
                more, degrees = _pearson(part)
                chi, freedom = chi + more, freedom + degrees
            whole = PRIOR_SLOTS + freedom
            phi = (prior * PRIOR_SLOTS + chi) / whole
            found.append(phi * (1 + doubt * math.sqrt(freedom) / whole))
        before, own, size = _doubled(before), _doubled(own), 2 * size
    return max(found)


def _doubled(blocks: Sequence[Slot]) -> list[Slot]:
    """Return blocks of twice the length; the oldest is left out where it has no partner."""
    pairs = zip(blocks[::2], blocks[1::2], strict=False)
    return [(newer[0] + older[0], newer[1] + older[1]) for newer, older in pairs]


def _pearson(blocks: Sequence[Slot]) -> tuple[float, float]:
    """Return the statistic and its degrees of freedom; nothing where all or none were bad."""
    held = [(good + bad, bad) for good, bad in blocks if good + bad > 0]
    total, failed = sum(n for n, _ in held), sum(bad for _, bad in held)
    if not 0 < failed < total:
        return 0.0, 0.0
    p = failed / total
    return sum((bad - n * p) ** 2 / (n * p * (1 - p)) for n, bad in held), len(held) - 1.0
