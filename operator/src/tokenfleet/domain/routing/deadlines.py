"""How long one attempt may keep its client waiting: as written, else from what is promised.

A limit that nobody wrote must not cut answers that are merely slow. So it is ten times the rule's
latency objective, kept between 10 s and 120 s, and without an objective far above any usual answer.
It holds only where another place can take over: `Deadline.always` is False.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from tokenfleet.api.v1alpha1.modelroute import Failover, ModelRoute
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.routing.ir import Deadline

FACTOR: Final = 10
"""Of the objective: an attempt that is that late has missed it for certain."""
SHORTEST: Final = timedelta(seconds=10)
LONGEST: Final = timedelta(seconds=120)
FIRST_TOKEN: Final = timedelta(seconds=60)
"""For streams of rules without an objective for the time to the first token."""
RESPONSE: Final = timedelta(minutes=10)
"""For whole answers of rules without an end-to-end objective."""


def first_token(route: ModelRoute, rule: str, slos: Iterable[TokenSLO]) -> Deadline | None:
    """Return the limit of a rule's streams; None where the route does not want one."""
    failover = route.spec.failover
    promised = _promised(route, rule, slos, "TimeToFirstToken")
    wanted = "FirstTokenTimeout" in failover.retry_on
    return _deadline(failover.first_token_timeout, promised, FIRST_TOKEN) if wanted else None


def response(route: ModelRoute, rule: str, slos: Iterable[TokenSLO]) -> Deadline | None:
    """Return the limit of a rule's whole answers; None where the route does not want one."""
    failover = route.spec.failover
    promised = _promised(route, rule, slos, "EndToEnd")
    wanted = "ResponseTimeout" in failover.retry_on
    return _deadline(failover.response_timeout, promised, RESPONSE) if wanted else None


def stall_ms(failover: Failover) -> int:
    """Return the longest silence of a stream that has begun, in milliseconds."""
    return failover.stall_timeout // timedelta(milliseconds=1)


def _deadline(
    written: timedelta | None, promised: timedelta | None, otherwise: timedelta
) -> Deadline:
    if written is not None:
        return Deadline(milliseconds=written // timedelta(milliseconds=1), always=True)
    default = otherwise
    if promised is not None:
        default = min(max(FACTOR * promised, SHORTEST), LONGEST)
    return Deadline(milliseconds=default // timedelta(milliseconds=1), always=False)


def _promised(
    route: ModelRoute, rule: str, slos: Iterable[TokenSLO], signal: str
) -> timedelta | None:
    """Return the widest threshold that an objective sets for a rule, or None.

    The widest: with objectives for several features the limit must be fair to all of them.
    """
    thresholds = []
    for slo in slos:
        target, latency = slo.spec.target_ref, slo.spec.objective.latency
        if latency is None or latency.signal != signal or target.name != route.metadata.name:
            continue
        if target.section_name in {None, rule}:
            thresholds.append(latency.threshold)
    return max(thresholds, default=None)
