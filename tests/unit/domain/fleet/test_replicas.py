"""Pods as the operator reads them, whoever's kubelet wrote their status."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tokenfleet.domain.fleet.replicas import agent_address, replica

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
STAMP = "2026-11-27T12:00:00Z"


def pod(condition: dict[str, Any], **status: Any) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True", **condition}
    return {
        "metadata": {"name": "default-router-0"},
        "status": {"podIP": "10.0.0.1", "conditions": [ready], **status},
    }


@pytest.mark.parametrize(
    ("seen", "since"),
    [
        pytest.param(pod({"lastTransitionTime": STAMP}), AT, id="ready since then"),
        pytest.param(pod({"lastTransitionTime": None}, startTime=STAMP), AT, id="of a null time"),
        pytest.param(pod({}, startTime=STAMP), AT, id="without a time"),
        pytest.param(pod({"lastTransitionTime": None}), None, id="without any time"),
    ],
)
def test_a_ready_pod_is_asked_however_its_times_are_written(
    seen: dict[str, Any], since: datetime | None
) -> None:
    found = replica(seen)

    assert (found.ready, found.since) == (True, since)
    assert agent_address(seen) == "10.0.0.1:9091"


def test_a_pod_that_leaves_is_not_asked() -> None:
    leaving = pod({"lastTransitionTime": STAMP})
    leaving["metadata"]["deletionTimestamp"] = STAMP

    assert not replica(leaving).ready
    assert agent_address(leaving) is None
