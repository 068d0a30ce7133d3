"""Data states: whether the loop can see, judged before anything else is.

    ============  =====================================================  =======================
    state         when                                                   effect
    ============  =====================================================  =======================
    Unknown       the source failed, or a router replica is not scraped  hold; the time does not
                  well enough to speak for its traffic                    count as waited
    NoTraffic     seen, and no attempt in the long window                neither good nor bad
    Insufficient  seen, fewer attempts than `minimumEvents`              proofs take longer
    OK            otherwise                                              judge
    ============  =====================================================  =======================

Coverage is judged for each router replica: with two replicas, one that is not scraped hides half of
the traffic while the sums still look plausible. What a replica should have is counted from when it
became ready, so that a rollout of the router does not blind the loop.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tokenfleet.domain.slo.objectives.spec import Promise
from tokenfleet.domain.slo.observation.evidence import Evidence
from tokenfleet.domain.slo.observation.measurement import (
    Failure,
    Measurement,
    RouterReplica,
    RuleMeasurement,
)

CLOCK_TOLERANCE: Final = timedelta(seconds=30)
"""How far samples may lie in the operator's future. NTP keeps nodes within a second; half a minute
off already moves the short window by half."""

COVERAGE: Final = 0.8
"""Part of the expected scrapes without which silence says nothing."""


class Kind(StrEnum):
    """What is known."""

    OK = "OK"
    NO_TRAFFIC = "NoTraffic"
    INSUFFICIENT = "Insufficient"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class DataState:
    """What is known, and why not more."""

    kind: Kind
    reason: str = ""
    """Why Unknown: SourceError, AccessDenied, Partial, Stale, Absent, LowCoverage, ClockSkew,
    NotANumber, UsageMissing, PriceMissing or CacheNotReported."""
    message: str = ""

    @property
    def known(self) -> bool:
        """Tell whether the counts may be judged."""
        return self.kind is not Kind.UNKNOWN


def unknown(failure: Failure) -> DataState:
    """Return the state of not seeing."""
    return DataState(Kind.UNKNOWN, failure.reason, failure.message)


def blindness(
    measurement: Measurement | None,
    replicas: Iterable[RouterReplica],
    objective: Promise,
    now: datetime,
) -> Failure | None:
    """Return why nothing can be said about an objective now, or None when it can be seen."""
    if measurement is None:
        return Failure("SourceError", "nothing has been measured yet")
    if measurement.failure is not None:
        return measurement.failure
    if now - measurement.at > objective.max_staleness:
        age = int((now - measurement.at).total_seconds())
        return Failure("Stale", f"the last measurement is {age} s old")
    expected = sorted(replicas, key=lambda replica: (replica.namespace, replica.pod))
    if not expected:
        return Failure("Absent", "no router replica is ready")
    failures = (_replica_blind(measurement, replica, objective) for replica in expected)
    return next((failure for failure in failures if failure is not None), None)


def judge(rule: RuleMeasurement, evidence: Evidence, failure: Failure | None) -> DataState:
    """Return what is known about the attempts that an objective counts."""
    if failure is not None:
        return unknown(failure)
    signal = evidence.objective.signal
    broken = next((cell.pool for cell in rule.cells if cell.broken and cell.signal is signal), None)
    if broken is not None:
        return unknown(Failure("NotANumber", f"a series of pool {broken} is not a finite number"))
    if evidence.long.total == 0:
        return DataState(Kind.NO_TRAFFIC)
    if not evidence.sufficient:
        need = evidence.objective.min_total
        return DataState(
            Kind.INSUFFICIENT, "", f"{evidence.long.total} attempts, {need} are needed"
        )
    return DataState(Kind.OK)


def covered(
    measurement: Measurement | None, replicas: Iterable[RouterReplica], objective: Promise
) -> frozenset[timedelta]:
    """Return the windows that every router replica was scraped well enough for."""
    if measurement is None:
        return frozenset()
    asked = {w for scrapes in measurement.replicas.values() for w in scrapes.successes}
    known = list(replicas)
    return frozenset(
        window
        for window in asked
        if not any(
            _lacks(measurement, replica, objective.min_coverage, window) for replica in known
        )
    )


def unasked(measurement: Measurement | None, replicas: Iterable[RouterReplica]) -> bool:
    """Tell whether a rule without a single series has no demand, rather than an unknown one.

    A router tells nothing of a rule that nobody has asked since it started. That is no demand where
    each of its replicas was scraped well enough for the shortest window.
    """
    known = list(replicas)
    if measurement is None or measurement.failure is not None or not known:
        return False
    asked = {w for scrapes in measurement.replicas.values() for w in scrapes.successes}
    return bool(asked) and not any(
        _young(measurement, replica) or _lacks(measurement, replica, COVERAGE, min(asked))
        for replica in known
    )


def _replica_blind(
    measurement: Measurement, replica: RouterReplica, objective: Promise
) -> Failure | None:
    if _young(measurement, replica):
        return None
    scrapes = measurement.replicas.get((replica.namespace, replica.pod))
    if scrapes is None or scrapes.newest is None:
        return Failure("Absent", f"router replica {replica.pod} is not scraped")
    lag = measurement.at - scrapes.newest
    if lag > objective.max_staleness:
        return Failure(
            "Stale", f"newest sample of {replica.pod} is {int(lag.total_seconds())} s old"
        )
    if -lag > CLOCK_TOLERANCE:
        ahead = int(-lag.total_seconds())
        return Failure("ClockSkew", f"samples of {replica.pod} are {ahead} s in the future")
    window = objective.windows.long
    if _lacks(measurement, replica, objective.min_coverage, window):
        got = scrapes.successes.get(window, 0.0)
        expected = _expected(measurement, replica, window)
        need = f"{objective.min_coverage:.0%} of {expected:.0f}"
        return Failure("LowCoverage", f"{got:.0f} scrapes of {replica.pod}, {need} are needed")
    return None


def _young(measurement: Measurement, replica: RouterReplica) -> bool:
    """Tell whether a replica may not have been discovered and scraped yet."""
    return measurement.at - replica.since < 2 * measurement.scrape_interval


def _expected(measurement: Measurement, replica: RouterReplica, window: timedelta) -> float:
    interval = measurement.scrape_interval
    return max(1.0, min(window, measurement.at - replica.since - interval) / interval)


def _lacks(
    measurement: Measurement, replica: RouterReplica, least: float, window: timedelta
) -> bool:
    """Tell whether a window holds too few scrapes of a replica."""
    if _young(measurement, replica):
        return False
    scrapes = measurement.replicas.get((replica.namespace, replica.pod))
    got = scrapes.successes.get(window, 0.0) if scrapes is not None else 0.0
    # One scrape of grace: a window that is no multiple of the interval holds one scrape less.
    return got + 1 < least * _expected(measurement, replica, window)
