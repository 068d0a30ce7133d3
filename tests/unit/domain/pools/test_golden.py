"""Each case of `testdata`: a pool as its user writes it, and every byte the operator makes of it.

A change of the pod template restarts every pool of every user on the next upgrade: read the
difference in that light before updating a golden file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.pools.workloads import workload

TESTDATA = Path(__file__).parent / "testdata"
IMAGES_OWN = {"PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LD_PRELOAD"}
CASES = sorted(folder.name for folder in TESTDATA.iterdir())


def platform_of(text: str) -> Platform:
    """Return the cluster that a case's first lines speak of."""
    return Platform(
        pod_monitors="Prometheus operator" in text, leader_worker_sets="LeaderWorkerSet" in text
    )


def _variables(tree: Any) -> Iterator[dict[str, Any]]:
    """Return the variables of every container of objects."""
    if isinstance(tree, dict):
        yield from tree.get("env", ())
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from _variables(part)


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


@pytest.mark.parametrize("case", CASES)
def test_what_an_image_says_of_its_own_programs_stays(case: str) -> None:
    """Images for some accelerators bring modules by PYTHONPATH, and drivers by LD_LIBRARY_PATH."""
    body = yaml.safe_load((TESTDATA / case / "in.yaml").read_text())
    bodies = list(yaml.safe_load_all((TESTDATA / case / "out.yaml").read_text()))
    asked = {one["name"] for one in body["spec"]["managed"]["engine"].get("env", ())}

    set_by_us = {one["name"] for one in _variables(bodies)} - asked

    assert "HOME" in set_by_us
    assert set_by_us.isdisjoint(IMAGES_OWN)


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
