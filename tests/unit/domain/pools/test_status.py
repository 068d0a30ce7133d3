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


def test_devices_that_nobody_knows_are_named_and_not_checked() -> None:
    pool = gpu_pool(resources={"limits": {"example.com/npu": 1}}, parallelism={"tensor": 8})

    found = status(pool, deployment(), (), ())

    accepted = next(item for item in found.conditions if item.type == ACCEPTED)
    assert accepted.status == "True"
    assert accepted.message.endswith("unknown, not checked against parallelism: example.com/npu")


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
            ("False", "QuotaExceeded"), ("False", "QuotaExceeded"), id="a quota is used up",
        ),
        pytest.param(
            deployment(replicas=0, readyReplicas=0, conditions=[{"type": "ReplicaFailure", "status": "True", "message": "violates PodSecurity"}]),
            ("False", "PodsRefused"), ("False", "PodsRefused"), id="pods are refused",
        ),
    ],
)  # fmt: skip
def test_what_the_deployment_says(seen: Any, available: tuple, progressing: tuple) -> None:
    found = judged(status(POOL, seen, (), ()))

    assert found[AVAILABLE] == available
    assert found[PROGRESSING] == progressing
    assert found[READY][0] == available[0]


def test_a_refused_change_is_not_ready_although_the_old_one_serves() -> None:
    problem = Problem(condition=ACCEPTED, reason="ArgumentRefused", message="pool large: no")

    found = judged(status(POOL, deployment(), (), (problem,)))

    assert found[ACCEPTED] == ("False", "ArgumentRefused")
    assert found[AVAILABLE] == ("True", "ReplicasServe")
    assert found[READY] == ("False", "ArgumentRefused")


def test_a_pool_at_zero_says_so() -> None:
    found = status(
        gpu_pool(spec={"replicas": 0}),
        deployment(replicas=0, readyReplicas=0, updatedReplicas=0, availableReplicas=0),
        (),
        (),
    )

    assert judged(found)[AVAILABLE] == ("False", "ScaledToZero")
    assert judged(found)[PROGRESSING] == ("False", "UpToDate")


def test_autoscalers_find_the_pods() -> None:
    found = status(POOL, deployment(), (), ())

    assert (found.replicas, found.ready_replicas) == (2, 2)
    assert found.selector == "tokenfleet.dev/pool=large"


def test_a_possible_gap_does_not_make_a_pool_unready() -> None:
    found = judged(
        status(
            gpu_pool(),
            deployment(replicas=1, readyReplicas=1, updatedReplicas=1, availableReplicas=1),
            (),
            (),
        )
    )

    assert found["RolloutGapless"] == ("False", "NoSpareReplica")
    assert found[READY] == ("True", "Ready")


def pod(name: str, version: str, made: str, **status: Any) -> dict[str, Any]:
    labels = {"pod-template-hash": version}
    return {
        "metadata": {"name": name, "labels": labels, "creationTimestamp": f"2026-01-01T00:{made}Z"},
        "status": status,
    }


def waiting(reason: str) -> list[dict[str, Any]]:
    return [{"name": "engine", "ready": False, "state": {"waiting": {"reason": reason}}}]


CRASHED = [
    {
        "name": "engine",
        "ready": False,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
        "restartCount": 4,
    }
]
FULL = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3"}]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        pytest.param({"containerStatuses": waiting("ImagePullBackOff")}, "ImagePullFailed", id="an image that is not there"),
        pytest.param({"containerStatuses": waiting("CreateContainerConfigError")}, "ContainerConfigError", id="a Secret that is not there"),
        pytest.param({"containerStatuses": CRASHED}, "CrashLoop", id="an engine that ends"),
        pytest.param({"conditions": FULL}, "Unschedulable", id="no node with room"),
    ],
)  # fmt: skip
def test_the_cause_is_named_where_nobody_serves(trouble: dict[str, Any], reason: str) -> None:
    pods = (pod("large-1", "a", "01:00", **trouble),)

    found = status(POOL, deployment(readyReplicas=0, availableReplicas=0), pods, ())

    assert judged(found)[AVAILABLE] == ("False", reason)
    assert judged(found)[PROGRESSING] == ("False", reason)
    assert judged(found)[READY] == ("False", reason)
    assert "pod large-1: " in found.conditions[-1].message


def test_a_rollout_whose_new_pods_cannot_start_is_stuck_at_once_while_the_old_serve() -> None:
    pods = (
        pod("old", "a", "01:00"),
        pod("new", "b", "02:00", containerStatuses=waiting("ErrImagePull")),
    )

    found = status(POOL, deployment(updatedReplicas=1, replicas=3), pods, ())

    assert judged(found)[PROGRESSING] == ("False", "ImagePullFailed")
    assert judged(found)[READY] == ("True", "Ready")


def test_a_rollout_goes_on_although_an_old_pod_is_in_trouble() -> None:
    """What is being replaced does not hold up what replaces it."""
    pods = (pod("old", "a", "01:00", containerStatuses=CRASHED), pod("new", "b", "02:00"))

    found = status(POOL, deployment(updatedReplicas=1, availableReplicas=1), pods, ())

    assert judged(found)[PROGRESSING] == ("True", "RollingOut")


def test_some_crashing_replicas_leave_the_pool_ready_and_degraded() -> None:
    pool = gpu_pool(spec={"replicas": 8})
    pods = tuple(pod(f"p{n}", "a", "01:00", containerStatuses=CRASHED) for n in range(3))
    seen = deployment(replicas=8, updatedReplicas=8, readyReplicas=5, availableReplicas=5)

    found = status(pool, seen, pods, ())

    assert judged(found)[READY] == ("True", "Degraded")
    assert found.conditions[-1].message.startswith(
        "5 of 8 replicas serve; pod p0: container engine"
    )


def test_replicas_that_only_need_time_are_no_trouble() -> None:
    pool = gpu_pool(spec={"replicas": 8})
    seen = deployment(replicas=8, updatedReplicas=8, readyReplicas=5, availableReplicas=5)

    assert judged(status(pool, seen, (pod("p", "a", "01:00"),), ()))[READY] == ("True", "Ready")
