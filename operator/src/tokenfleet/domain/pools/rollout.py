"""Times and numbers of starting, stopping and replacing replicas.

How a replica stops; each part has a budget of its own, so that none eats another's:

    told to stop      SIGTERM                         SIGKILL at the latest
        |--- spread -----|--- running streams end -------|
        | endpoints      | terminationGracePeriod        |--- teardown: workers exit
        | leave routers  | (--shutdown-timeout)
"""

import math
from datetime import timedelta
from typing import Any, Final

from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.api.v1alpha1.servingpool import Managed, ServingPool

# How long a stopping replica goes on taking requests, so that every router has heard that it is
# leaving: an EndpointSlice reaches the wire within a second, and within a few under load.
SPREAD: Final = timedelta(seconds=10)
# vLLM 0.32 took 9 s from its last stream to its exit, on a busy core.
TEARDOWN: Final = timedelta(seconds=20)
STARTUP_PERIOD: Final = timedelta(seconds=5)
# Time of a step of a rollout beside starting and stopping: scheduling, and pulling an engine image
# of 10 GB or more.
SCHEDULE_AND_PULL: Final = timedelta(minutes=15)

ROLLOUT_GAPLESS: Final = "RolloutGapless"


def grace_seconds(managed: Managed) -> int:
    """Return `terminationGracePeriodSeconds`: all three parts of the drawing above."""
    return math.ceil((SPREAD + managed.termination_grace_period + TEARDOWN).total_seconds())


def startup_failures(managed: Managed) -> int:
    """Return the start-up probe's `failureThreshold`."""
    return math.ceil(managed.startup_timeout / STARTUP_PERIOD)


def progress_deadline_seconds(managed: Managed) -> int:
    """Return `progressDeadlineSeconds`: the longest honest time between two replicas.

    Without surge a new replica waits until an old one has ended.
    """
    step = timedelta(seconds=grace_seconds(managed)) + SCHEDULE_AND_PULL + managed.startup_timeout
    return math.ceil(step.total_seconds())


def strategy(managed: Managed) -> dict[str, Any]:
    """Return the Deployment's `strategy`."""
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {
            "maxSurge": managed.rollout.max_surge,
            "maxUnavailable": managed.rollout.max_unavailable,
        },
    }


def gapless(pool: ServingPool) -> Condition:
    """Say whether a rollout always leaves a replica that serves."""
    name, replicas = pool.metadata.name, pool.spec.replicas
    managed = pool.spec.managed
    assert managed is not None, "CEL: the member named by type is set"
    unavailable = managed.rollout.max_unavailable
    if replicas > unavailable or replicas == 0:
        return Condition(
            type=ROLLOUT_GAPLESS,
            status="True",
            reason="ReplicasRemain" if replicas else "NoReplicas",
            message=f"at least {max(0, replicas - unavailable)} of {replicas} replicas serve"
            " during a rollout",
        )
    return Condition(
        type=ROLLOUT_GAPLESS,
        status="False",
        reason="NoSpareReplica",
        message=f"pool {name}: a rollout may leave none of {replicas} replicas serving"
        f" (maxUnavailable {unavailable}, maxSurge {managed.rollout.max_surge}): raise replicas"
        f" above {unavailable}, or set maxUnavailable 0 and maxSurge 1",
    )
