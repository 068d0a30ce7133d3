"""A pool over two nodes on a real API server, by the facts of LeaderWorkerSet's definition.

Its controller does not run here: what it would write to the status is written by the test.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.kit.kinds_of_others import LEADER_WORKER_SETS
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.yamls import dump
from tests.integration.kubernetes.conftest import OperatorProcess, definition, eventually
from tests.integration.kubernetes.test_operator import condition

VOLUME = {"claimName": "weights", "path": "m"}
POOL: dict[str, Any] = {
    "apiVersion": "tokenfleet.dev/v1alpha1",
    "kind": "ServingPool",
    "metadata": {"name": "deep"},
    "spec": {
        "served": {"modelName": "deep"},
        "managed": {
            "engine": {"image": "vllm/vllm-openai:v0.32.0"},
            "model": {"source": {"type": "PersistentVolumeClaim", "persistentVolumeClaim": VOLUME}},
            "resources": {"limits": {"nvidia.com/gpu": 8}},
            "parallelism": {"tensor": 8, "pipeline": 2, "nodes": 2},
        },
    },
}


@pytest.fixture
def defined(cluster: Cluster) -> Iterator[None]:
    """Define LeaderWorkerSet for as long as a test takes."""
    with definition(cluster, LEADER_WORKER_SETS):
        yield


@pytest.mark.usefixtures("defined")
def test_groups_of_pods_follow_the_pool_and_its_scale(
    namespace: Namespace, operator: Callable[[str], OperatorProcess]
) -> None:
    namespace.apply(POOL)
    operator("a")

    def groups() -> dict[str, Any]:
        return namespace.get("leaderworkerset", "deep-nodes") or {}

    made = eventually(groups)
    strict = ("--dry-run=server", "--validate=strict")
    template = made["spec"]["leaderWorkerTemplate"]
    for role in ("leader", "worker"):
        pod = {"apiVersion": "v1", "kind": "Pod", **template[f"{role}Template"]}
        pod["metadata"] = {**pod["metadata"], "name": role}
        namespace.run("apply", *strict, "-f", "-", stdin=dump((pod,)))
    fresh = {key: made[key] for key in ("apiVersion", "kind", "spec")}
    again = {**fresh, "metadata": {"name": "another"}}
    namespace.run("apply", *strict, "-f", "-", stdin=dump((again,)))

    namespace.run("scale", "servingpool/deep", "--replicas=3")
    eventually(lambda: groups()["spec"]["replicas"] == 3)
    seen = {"replicas": 3, "readyReplicas": 2, "updatedReplicas": 3}
    namespace.run(
        "patch", "leaderworkerset", "deep-nodes", "--subresource=status", "--type=merge",
        "--patch", dump(({"status": seen},)),
    )  # fmt: skip

    pool = lambda: namespace.must_get("servingpool", "deep").get("status", {})  # noqa: E731
    eventually(lambda: pool().get("readyReplicas") == 2)
    eventually(lambda: condition(namespace, "servingpool/deep", "Ready").get("status") == "True")
