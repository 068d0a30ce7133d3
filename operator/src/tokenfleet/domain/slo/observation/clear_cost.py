"""When a mean cost is clearly too high: in less time than two long windows take.

A mean of n requests misses the true one by c / sqrt(n) of it (one standard error), where c is the
variation of what requests cost: standard deviation by mean. Counters do not tell it, so it is taken
as 2, that of lognormal costs with sigma 1.27, in which one request of a hundred costs more than
eight times the mean. A window is clear where it is beyond the limit by `DEVIATIONS` standard
errors, and two in a row that share no request must be. `tests/property/slo/test_cost_reaction.py`
counts how seldom a cost on its limit passes that, and how soon one at twice its limit does.

    requests in a window   100    400   1,000   4,000
    beyond the limit by    80 %   40 %   25 %    13 %

With 3 deviations such costs, which the normal approximation flatters, were called clear four times
in 30 days at their limit; with 4, not once in 60 days at 1 and 3 requests/s.
"""

import math
from typing import Final

from tokenfleet.domain.slo.observation.level_readings import Reading

VARIATION: Final = 2.0
"""Standard deviation of a request's cost by its mean, at most."""
DEVIATIONS: Final = 4.0
"""Standard errors that a window must be beyond its limit."""
LEAST_REQUESTS: Final = 100
"""Fewest requests of a window that can be clear: the mean of fewer is skewed like one request."""
LEAST_EXCESS: Final = 0.05
"""As much as the dead band of the long windows, however many requests there are."""


def clearly_above(limit: float, *readings: Reading) -> bool:
    """Tell whether all of these readings are beyond a limit by more than chance explains."""
    return bool(readings) and all(_clear(limit, one) for one in readings)


def _clear(limit: float, found: Reading) -> bool:
    if found.value is None or not found.enough or found.requests < LEAST_REQUESTS:
        return False
    margin = DEVIATIONS * VARIATION / math.sqrt(found.requests)
    return found.value > limit * (1 + max(LEAST_EXCESS, margin))
