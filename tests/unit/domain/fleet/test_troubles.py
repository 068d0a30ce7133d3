"""What keeps pods from serving."""

from typing import Any

import pytest

from tests.unit.domain.fleet.builders import T0, managed_pool, message
from tokenfleet.domain.fleet.pool_visit import PoolSnapshot, plan_pool
from tokenfleet.domain.fleet.troubles import troubles


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "status": status}


def container(**state: Any) -> dict[str, Any]:
    return {"name": "engine", "ready": False, **state}


PULL = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
ENDED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
TOLD = {"terminated": {"exitCode": 1, "message": "Traceback\nValueError: unknown option --x\n\n"}}
FULL = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 gpu"}


@pytest.mark.parametrize(
    ("status", "text"),
    [
        pytest.param({}, "", id="just made"),
        pytest.param(
            {"containerStatuses": [container(state={"waiting": {"reason": "PodInitializing"}})]},
            "",
            id="starting",
        ),
        pytest.param({"conditions": [FULL]}, "Unschedulable: 0/1 gpu", id="no room"),
        pytest.param(
            {"containerStatuses": [container(state=PULL)]},
            "ImagePullBackOff: not found",
            id="no image",
        ),
        pytest.param(
            {"containerStatuses": [container(lastState=ENDED, restartCount=3)]},
            "container engine ended with 137 (OOMKilled), 3 restarts;"
            " see kubectl logs --previous -c engine",
            id="killed",
        ),
        pytest.param(
            {"containerStatuses": [container(lastState=TOLD, restartCount=1)]},
            'container engine ended with 1 (Error): "ValueError: unknown option --x", 1 restarts;'
            " see kubectl logs --previous -c engine",
            id="its last words",
        ),
        pytest.param(
            {"containerStatuses": [container(lastState=ENDED, restartCount=3, ready=True)]},
            "",
            id="restarted and serving",
        ),
    ],
)
def test_a_pod_that_cannot_serve_says_why(status: dict[str, Any], text: str) -> None:
    found = [trouble.message for trouble in troubles([pod(**status)])]

    assert found == ([f"pod p: {text}"] if text else [])


def test_a_pod_on_its_way_out_is_no_trouble() -> None:
    leaving = {**pod(conditions=[FULL]), "metadata": {"name": "p", "deletionTimestamp": "now"}}

    assert troubles([leaving]) == ()


def test_a_pool_without_a_serving_replica_repeats_it() -> None:
    seen = PoolSnapshot(
        body=managed_pool(),
        children=(),
        service=None,
        slices=(),
        pods=(pod(conditions=[FULL]),),
        now=T0,
    )

    assert message(plan_pool(seen).status, "Ready").endswith("; pod p: Unschedulable: 0/1 gpu")
