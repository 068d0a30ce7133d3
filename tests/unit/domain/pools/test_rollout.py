"""Budgets of starting and stopping, and whether a rollout leaves somebody serving."""

import pytest

from tests.unit.domain.pools.builders import gpu_pool
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.pools import rollout
from tokenfleet.domain.pools.workloads import workload


def template(pool) -> dict:
    return workload(pool).objects[2]["spec"]["template"]["spec"]


def test_a_stream_may_run_for_the_whole_grace_period() -> None:
    """Neither leaving the routers nor ending the workers takes time from running streams."""
    spec = template(gpu_pool(terminationGracePeriod="5m"))
    engine = spec["containers"][0]

    assert "--shutdown-timeout=300" in engine["args"]
    spread = engine["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] == spread + 300 + 20


def test_a_grace_period_below_a_second_still_drains() -> None:
    """0 would mean: end streams at once."""
    assert (
        "--shutdown-timeout=1"
        in template(gpu_pool(terminationGracePeriod="1s"))["containers"][0]["args"]
    )


def test_a_140_gb_model_has_time_to_load() -> None:
    """At 100 MB/s it needs 24 minutes; the default start-up budget is 30."""
    pool = gpu_pool()
    probe = template(pool)["containers"][0]["startupProbe"]

    assert probe["failureThreshold"] * probe["periodSeconds"] == 30 * 60
    deployment = workload(pool).objects[2]["spec"]
    stop = deployment["template"]["spec"]["terminationGracePeriodSeconds"]
    assert deployment["progressDeadlineSeconds"] == stop + 15 * 60 + 30 * 60


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "status"),
    [
        pytest.param(1, 0, 1, "False", id="one replica, replaced in place"),
        pytest.param(1, 1, 0, "True", id="one replica with a spare"),
        pytest.param(1, 1, 1, "False", id="one replica that may go before its spare has come"),
        pytest.param(2, 0, 1, "True", id="two replicas, one at a time"),
        pytest.param(2, 0, 2, "False", id="all at once"),
        pytest.param(0, 0, 1, "True", id="nothing to interrupt"),
    ],
)
def test_a_gap_is_announced_before_it_happens(
    replicas: int, surge: int, unavailable: int, status: str
) -> None:
    limits = {"maxSurge": surge, "maxUnavailable": unavailable}
    found = rollout.gapless(gpu_pool(spec={"replicas": replicas}, rollout=limits))

    assert (found.type, found.status) == ("RolloutGapless", status)
    if status == "False":
        assert f"raise replicas above {unavailable}" in found.message


def test_users_and_groups_can_be_left_to_the_cluster() -> None:
    found = workload(gpu_pool(), Platform(fixed_ids=False)).objects[2]["spec"]["template"]["spec"]

    assert template(gpu_pool())["securityContext"]["runAsUser"] == 65532
    assert found["securityContext"] == {
        "runAsNonRoot": True,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
