"""Reading a TokenSLO: from the object of the API to the numbers that the control loop has."""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tokenfleet.api.v1alpha1.objectives import Objective
from tokenfleet.api.v1alpha1.tokenslo import ShiftTraffic, TokenSLO
from tokenfleet.domain.slo.objectives.spec import (
    LEAST_REQUESTS,
    Level,
    LevelObjective,
    ObjectiveSpec,
    Policy,
    Windows,
)
from tokenfleet.domain.slo.observation.measurement import NO_THRESHOLD, Signal


def from_token_slo(slo: TokenSLO) -> ObjectiveSpec:
    """Read a TokenSLO about latency or errors that the API server has accepted.

    Raises:
        ValueError: it is about something else, or has no member for its type.
    """
    signal, threshold, target = _promise(slo.spec.objective)
    return ObjectiveSpec(
        signal=signal,
        threshold=threshold,
        target=target,
        min_bad=slo.spec.control.minimum_events.bad,
        budget_window=slo.spec.window,
        **_common(slo),
    )


def level_of(slo: TokenSLO) -> LevelObjective:
    """Read a TokenSLO about cost or caching that the API server has accepted.

    Raises:
        ValueError: it is about something else, or has no member for its type.
    """
    cost, cache = slo.spec.objective.cost_per_request, slo.spec.objective.cache_hit_rate
    spend = slo.spec.objective.spend
    if cost is not None:
        return _enough(LevelObjective(level=Level.COST, limit=float(cost.max), **_common(slo)))
    if spend is not None:
        period = timedelta(hours=1 if spend.per == "Hour" else 24)
        return _enough(
            LevelObjective(level=Level.SPEND, limit=float(spend.max), period=period, **_common(slo))
        )
    if cache is not None:
        return _enough(
            LevelObjective(level=Level.CACHE, limit=float(1 - cache.min), **_common(slo))
        )
    msg = f"objective type {slo.spec.objective.type} is no level, or its member is absent"
    raise ValueError(msg)


def _enough(objective: LevelObjective) -> LevelObjective:
    """Ask for enough requests: no bound says how little a mean of few proves."""
    return replace(objective, min_total=max(LEAST_REQUESTS, objective.min_total))


def _common(slo: TokenSLO) -> dict[str, Any]:
    control = slo.spec.control
    windows = Windows(short=control.short_window, long=control.long_window)
    bounds = slo.spec.on_breach.shift_traffic or ShiftTraffic()
    return {
        "namespace": slo.metadata.namespace,
        "name": slo.metadata.name,
        "route": slo.spec.target_ref.name,
        "rule": slo.spec.target_ref.section_name,
        "features": frozenset(slo.spec.selector.features),
        "request_types": frozenset(slo.spec.selector.request_types),
        "windows": windows,
        "min_total": control.minimum_events.total,
        "max_staleness": slo.spec.data.max_staleness,
        "min_coverage": float(slo.spec.data.min_coverage),
        "shifts": slo.spec.on_breach.type == "ShiftTraffic",
        "policy": _policy(bounds, windows, slo.spec.data.idle_reset),
        "max_cost_per_hour": float(most)
        if (most := bounds.max_cost_per_hour) is not None
        else None,
    }


def _promise(objective: Objective) -> tuple[Signal, timedelta, float]:
    """Return what is looked at, the longest good time, and the fraction that must be good."""
    latency, errors = objective.latency, objective.error_rate
    if latency is not None:
        return Signal(latency.signal), latency.threshold, float(latency.target)
    if errors is not None:
        return Signal.ERRORS, NO_THRESHOLD, float(1 - errors.max)
    msg = f"objective type {objective.type} has no good and bad, or its member is absent"
    raise ValueError(msg)


def _policy(bounds: ShiftTraffic, windows: Windows, idle_reset: timedelta) -> Policy:
    least = max(bounds.primary_floor, 1 - bounds.max_shift)
    return Policy(
        # Up to whole thousandths, as w is: P2 would raise to a floor between two of them for ever.
        floor=math.ceil(least * 1000) / 1000,
        settle=bounds.settle,
        dwell=bounds.dwell,
        hold=bounds.hold_before_recovery,
        max_hold=max(bounds.max_hold, bounds.hold_before_recovery),
        utilization=float(bounds.fallback_max_utilization),
        short=windows.short,
        idle_reset=idle_reset,
    )
