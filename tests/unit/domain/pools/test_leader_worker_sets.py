"""Pools over several nodes: what is asked for, what is refused, and what is seen of them."""

from typing import Any

import pytest

from tests.unit.domain.pools.builders import gpu_pool
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.pools.leader_worker_sets import as_deployment
from tokenfleet.domain.pools.status import status
from tokenfleet.domain.pools.workloads import workload

SERVED = Platform(leader_worker_sets=True)


def two_nodes(*, spec: dict[str, Any] | None = None, **managed: Any) -> ServingPool:
    sizes = {"parallelism": {"pipeline": 2, "nodes": 2}, **managed}
    return gpu_pool(spec=spec, **sizes)


def named(name: str) -> ServingPool:
    body = two_nodes().model_dump(by_alias=True, exclude_none=True)
    return ServingPool.model_validate({**body, "metadata": {"name": name}})


def objects(pool: ServingPool) -> dict[str, dict[str, Any]]:
    found = workload(pool, SERVED)
    assert found.problems == ()
    return {body["kind"]: body for body in found.objects}


def groups(*, ready: int, updated: int = 2, **fields: Any) -> dict[str, Any]:
    seen = {"replicas": 2, "readyReplicas": ready, "updatedReplicas": updated, **fields}
    return {"kind": "LeaderWorkerSet", "metadata": {"generation": 4}, "status": seen}


def test_only_leaders_are_listed_and_every_pod_is_protected() -> None:
    made = objects(two_nodes())
    of_pool = {"tokenfleet.dev/pool": "large"}
    leaders = {**of_pool, "leaderworkerset.sigs.k8s.io/worker-index": "0"}

    assert "Deployment" not in made
    assert made["Service"]["spec"]["selector"] == leaders
    assert made["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == of_pool
    # The controller makes a headless Service of the set's name.
    assert made["LeaderWorkerSet"]["metadata"]["name"] != made["Service"]["metadata"]["name"]


def test_a_replica_is_a_group_whose_templates_scaling_leaves_alone() -> None:
    before, after = (
        objects(two_nodes(spec={"replicas": n}))["LeaderWorkerSet"]["spec"] for n in (1, 5)
    )

    assert (before["replicas"], after["replicas"]) == (1, 5)
    assert before["leaderWorkerTemplate"] == after["leaderWorkerTemplate"]
    assert before["leaderWorkerTemplate"]["size"] == 2


@pytest.mark.parametrize("flag", ["--api-server-count=2", "--api-server-c=2"])
def test_what_stops_a_worker_is_refused(flag: str) -> None:
    """vLLM: "--api-server-count cannot be used with --headless"."""
    (problem,) = workload(two_nodes(engine={"image": "e:1", "extraArgs": [flag]}), SERVED).problems

    assert problem.reason == "ArgumentRefused"
    assert "only the first node has an API server" in problem.message


def test_an_address_of_the_user_is_left_alone() -> None:
    own = {"name": "VLLM_HOST_IP", "value": "10.1.1.1"}
    made = objects(two_nodes(engine={"image": "engine:1", "env": [own]}))["LeaderWorkerSet"]
    (engine,) = made["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"]["containers"]

    assert [one for one in engine["env"] if one["name"] == "VLLM_HOST_IP"] == [own]


@pytest.mark.parametrize(
    ("pool", "platform", "reason", "told"),
    [
        pytest.param(two_nodes(), Platform(), "LeaderWorkerSetsNotServed", "install", id="no kind"),
        pytest.param(
            two_nodes(engine={"image": "e:1", "type": "SGLang"}),
            SERVED,
            "NodesUnsupported",
            "SGLang",
            id="an engine on one node",
        ),
        pytest.param(named("p" * 43), SERVED, "NameTooLong", "42", id="a long name"),
        pytest.param(
            two_nodes(parallelism={"tensor": 4, "nodes": 2}),
            SERVED,
            "NotEnoughDevices",
            "over 2 nodes, on each) needs 2 devices",
            id="devices of one node",
        ),
        pytest.param(
            two_nodes(engine={"image": "e:1", "extraArgs": ["--nnodes=3"]}),
            SERVED,
            "ArgumentRefused",
            "parallelism.nodes",
            id="what the field sets",
        ),
    ],
)
def test_what_cannot_run_is_named(
    pool: ServingPool, platform: Platform, reason: str, told: str
) -> None:
    found = workload(pool, platform)

    assert found.objects == ()
    assert [problem.reason for problem in found.problems] == [reason]
    assert told in found.problems[0].message


def test_the_longest_name_is_accepted() -> None:
    assert workload(named("p" * 42), SERVED).problems == ()


@pytest.mark.parametrize("observed", [{"observedGeneration": 4}, {}], ids=["new", "before 0.8"])
def test_groups_are_counted_as_replicas(observed: dict[str, int]) -> None:
    """Older controllers do not say which generation they have seen."""
    pool = two_nodes(spec={"replicas": 2})

    found = status(pool, as_deployment(groups(ready=2, **observed)), (), ())

    conditions = {one.type: (one.status, one.reason) for one in found.conditions}
    assert (found.replicas, found.ready_replicas) == (2, 2)
    assert conditions["Ready"][0] == "True"
    assert conditions["Progressing"] == ("False", "UpToDate")
    assert found.selector == "tokenfleet.dev/pool=large,leaderworkerset.sigs.k8s.io/worker-index=0"


def test_a_group_that_is_not_ready_yet_is_rolling_out() -> None:
    pool = two_nodes(spec={"replicas": 2})

    found = status(pool, as_deployment(groups(ready=1, updated=1, observedGeneration=4)), (), ())

    conditions = {one.type: (one.status, one.reason) for one in found.conditions}
    assert found.ready_replicas == 1
    assert conditions["Progressing"] == ("True", "RollingOut")


def test_a_change_that_the_controller_has_not_seen_is_told() -> None:
    pool = two_nodes(spec={"replicas": 2})

    found = status(pool, as_deployment(groups(ready=2, observedGeneration=3)), (), ())

    assert {one.type: one.reason for one in found.conditions}["Progressing"] == "DeploymentUpdated"
