"""The part of a route's status that says where its latency budget goes.

Quantiles change with every look; they are written along with other changes, and by themselves when
one has drifted.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenfleet.domain.fleet.slo_status import seconds
from tokenfleet.domain.slo.objectives.latency_stages import Stage

DRIFT: Final = 0.2
"""Part by which a quantile must change to be worth a write; buckets are as wide as that."""


def latency(stages: Sequence[Stage], status: Mapping[str, Any], *, others: bool) -> dict[str, Any]:
    """Return where the latency budget goes; what was told before where little has changed.

    Args:
        stages: as measured; empty where the route has no budget.
        status: as it was told before.
        others: whether the rest of it is told as before.
    """
    if not stages:
        return {}
    before = list(status.get("latencyBudget", ()))
    fresh = [_stage(stage) for stage in stages]
    same = [one["stage"] + one["budget"] for one in before] == [
        one["stage"] + one["budget"] for one in fresh
    ]
    told = {one["stage"]: one for one in before}
    little = same and not any(
        _drifted(str(told[one["stage"]].get(key, "")), str(one.get(key, "")))
        for one in fresh
        for key in ("p50", "p99")
    )
    return {"latencyBudget": before if others and little else fresh}


def _stage(stage: Stage) -> dict[str, str]:
    return {
        "stage": stage.name,
        "budget": seconds(stage.budget.total_seconds()),
        "p50": seconds(stage.p50),
        "p99": seconds(stage.p99),
    }


def _drifted(before: str, after: str) -> bool:
    if not before or not after:
        return before != after
    old, new = (_read(text) for text in (before, after))
    return abs(new - old) >= DRIFT * max(old, new)


def _read(text: str) -> float:
    """Read what `seconds` wrote."""
    milliseconds = text.removesuffix("ms")
    return float(milliseconds) / 1000 if milliseconds != text else float(text.removesuffix("s"))
