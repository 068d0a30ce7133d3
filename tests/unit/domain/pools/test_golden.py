"""Each case of `testdata`: a pool as its user writes it, and every byte the operator makes of it.

A change of the pod template restarts every pool of every user on the next upgrade: read the
difference in that light before updating a golden file.
"""

from pathlib import Path

import pytest
import yaml

from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.pools.workloads import workload

TESTDATA = Path(__file__).parent / "testdata"
CASES = sorted(folder.name for folder in TESTDATA.iterdir())


def platform_of(text: str) -> Platform:
    """Return the cluster that a case's first lines speak of."""
    return Platform(
        pod_monitors="Prometheus operator" in text, leader_worker_sets="LeaderWorkerSet" in text
    )


@pytest.mark.parametrize("case", CASES)
def test_a_pool_becomes_these_objects(case: str, update_golden) -> None:
    text = (TESTDATA / case / "in.yaml").read_text()
    body = yaml.safe_load(text)
    assert body.pop("kind") == "ServingPool"
    pool = ServingPool.model_validate(body, extra="forbid")

    found = workload(pool, platform_of(text))

    assert found.problems == ()
    dumped = yaml.safe_dump_all(found.objects, sort_keys=False, width=1000)
    golden = TESTDATA / case / "out.yaml"
    if update_golden:
        golden.write_text(dumped)
    assert golden.read_text() == dumped


def test_equal_pools_give_equal_bytes() -> None:
    body = yaml.safe_load((TESTDATA / "gpu-target-and-draft" / "in.yaml").read_text())
    backwards = {**body, "spec": dict(reversed(body["spec"].items()))}
    backwards["spec"]["managed"] = dict(reversed(body["spec"]["managed"].items()))

    first, second = (workload(ServingPool.model_validate(b)) for b in (body, backwards))

    assert yaml.safe_dump_all(first.objects, sort_keys=False) == yaml.safe_dump_all(
        second.objects, sort_keys=False
    )


def test_scaling_leaves_the_pod_template_alone() -> None:
    body = yaml.safe_load((TESTDATA / "cpu-small" / "in.yaml").read_text())
    scaled = {**body, "spec": {**body["spec"], "replicas": 7}}

    before, after = (workload(ServingPool.model_validate(b)).objects[2] for b in (body, scaled))

    assert (before["kind"], after["spec"]["replicas"]) == ("Deployment", 7)
    assert before["spec"]["template"] == after["spec"]["template"]
