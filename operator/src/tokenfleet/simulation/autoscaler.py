"""A HorizontalPodAutoscaler in ten lines, and the two metrics that can drive it.

`desired = ceil(replicas * metric / target)`, left alone within 10 %; at once upwards, downwards the
largest wish of the last 5 minutes. That is the whole of the algorithm that matters here:
https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/

Driven by how busy the replicas are, it takes away a primary whose traffic was shifted: the recovery
then meets fewer replicas than there were before the fault. Driven by the demand as if nothing were
shifted (`tokenfleet_pool_demand`), it does not.
"""

import math
from dataclasses import dataclass, field
from typing import Final, Literal

PERIOD: Final = 15.0
"""Seconds between syncs."""
STABILISATION: Final = 300.0
"""Seconds over which the largest wish counts before replicas are taken away."""
TOLERANCE: Final = 0.1
"""Relative distance from the target that is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaler:
    """How a pool is scaled."""

    driven_by: Literal["busyness", "demand"]
    target: float = 0.75
    """Part of a replica that should be in use."""
    least: int = 2
    startup: float = 180.0
    """Seconds until a new replica serves; models load slowly."""


@dataclass(slots=True)
class Scaling:
    """One autoscaler at work; it never goes beyond the replicas of the start: GPUs are rare."""

    autoscaler: Autoscaler
    most: int
    wishes: list[tuple[float, int]] = field(default_factory=list)

    def desired(self, t: float, replicas: int, used: float) -> int:
        """Return the replicas wanted now.

        Args:
            t: seconds since the start.
            replicas: those that there are, ready or not.
            used: the metric: part of these replicas that is in use, or would be.
        """
        ratio = used / self.autoscaler.target
        wish = replicas if abs(ratio - 1) <= TOLERANCE else math.ceil(replicas * ratio)
        wish = max(self.autoscaler.least, min(self.most, wish))
        self.wishes = [(at, n) for at, n in self.wishes if t - at < STABILISATION] + [(t, wish)]
        return max(wish, min(replicas, max(n for _, n in self.wishes)))
