"""A pool's status as a view of its Deployment."""

from typing import Any

import pytest

from tests.unit.domain.pools.builders import gpu_pool
from tokenfleet.api.conditions import ACCEPTED, AVAILABLE, PROGRESSING, READY
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools.status import PoolStatus, status

POOL = gpu_pool(spec={"replicas": 2})
ROLLED_OUT = {
    "observedGeneration": 4,
    "replicas": 2,
    "updatedReplicas": 2,
    "availableReplicas": 2,
    "readyReplicas": 2,
}


def deployment(**change: Any) -> dict[str, Any]:
    return {"metadata": {"generation": 4}, "status": {**ROLLED_OUT, **change}}


def judged(found: PoolStatus) -> dict[str, tuple[str, str]]:
    return {item.type: (item.status, item.reason) for item in found.conditions}


@pytest.mark.parametrize(
    ("seen", "available", "progressing"),
    [
        pytest.param(None, ("False", "NoReplicaServes"), ("True", "DeploymentMissing"), id="nothing is there yet"),
        pytest.param(deployment(), ("True", "ReplicasServe"), ("False", "UpToDate"), id="rolled out"),
        pytest.param(deployment(observedGeneration=3), ("True", "ReplicasServe"), ("True", "DeploymentUpdated"), id="a change that nobody has looked at"),
        pytest.param(deployment(updatedReplicas=1), ("True", "ReplicasServe"), ("True", "RollingOut"), id="half way"),
        pytest.param(deployment(replicas=3), ("True", "ReplicasServe"), ("True", "RollingOut"), id="an old replica is still ending"),
        pytest.param(deployment(readyReplicas=0, availableReplicas=0), ("False", "NoReplicaServes"), ("True", "RollingOut"), id="none is ready"),
        pytest.param(
            deployment(availableReplicas=1, conditions=[{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "took too long"}]),
            ("True", "ReplicasServe"), ("False", "DeadlineExceeded"), id="stuck",
        ),
        pytest.param(
            deployment(replicas=0, readyReplicas=0, conditions=[{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]),
            ("False", "NoReplicaServes"), ("False", "ReplicaFailure"), id="pods are refused",
        ),
    ],
)  # fmt: skip
def test_what_the_deployment_says(seen: Any, available: tuple, progressing: tuple) -> None:
    found = judged(status(POOL, seen, ()))

    assert found[AVAILABLE] == available
    assert found[PROGRESSING] == progressing
    assert found[READY][0] == available[0]


def test_a_refused_change_is_not_ready_although_the_old_one_serves() -> None:
    problem = Problem(condition=ACCEPTED, reason="ArgumentRefused", message="pool large: no")

    found = judged(status(POOL, deployment(), (problem,)))

    assert found[ACCEPTED] == ("False", "ArgumentRefused")
    assert found[AVAILABLE] == ("True", "ReplicasServe")
    assert found[READY] == ("False", "ArgumentRefused")


def test_a_pool_at_zero_says_so() -> None:
    found = status(
        gpu_pool(spec={"replicas": 0}),
        deployment(replicas=0, readyReplicas=0, updatedReplicas=0, availableReplicas=0),
        (),
    )

    assert judged(found)[AVAILABLE] == ("False", "ScaledToZero")
    assert judged(found)[PROGRESSING] == ("False", "UpToDate")


def test_autoscalers_find_the_pods() -> None:
    found = status(POOL, deployment(), ())

    assert (found.replicas, found.ready_replicas) == (2, 2)
    assert found.selector == "tokenfleet.dev/pool=large"


def test_a_possible_gap_does_not_make_a_pool_unready() -> None:
    found = judged(
        status(
            gpu_pool(),
            deployment(replicas=1, readyReplicas=1, updatedReplicas=1, availableReplicas=1),
            (),
        )
    )

    assert found["RolloutGapless"] == ("False", "NoSpareReplica")
    assert found[READY] == ("True", "Ready")
