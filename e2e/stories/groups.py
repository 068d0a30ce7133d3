"""Stands in for the controller of LeaderWorkerSets, which no registry here has.

Makes pods from the object as the real one does: their names, labels, addresses and variables, and
the headless Service by which the pods of a group find each other; writes to its status how many
groups are ready.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.kit.kinds_of_others import LEADER_WORKER_SETS
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.waiting import condition, wait_served

_PREFIX = "leaderworkerset.sigs.k8s.io"


@contextmanager
def defined(cluster: Cluster) -> Iterator[None]:
    """Define the kind until the block ends."""
    everywhere, name = cluster.namespace("default"), LEADER_WORKER_SETS["metadata"]["name"]
    everywhere.apply(LEADER_WORKER_SETS)
    try:
        wait_served(everywhere, name)
        yield
    finally:
        everywhere.delete("crd", name)


def start(namespace: Namespace, name: str) -> None:
    """Make the Service and the pods of every group."""
    found = namespace.must_get("leaderworkerset", name)
    namespace.apply(_service(found), *_pods(found))


def ready(namespace: Namespace, name: str) -> bool:
    """Write the status; say whether every group is ready."""
    found = namespace.must_get("leaderworkerset", name)
    size = found["spec"]["leaderWorkerTemplate"]["size"]
    pods = namespace.list("pods", f"{_PREFIX}/name={name}")
    serving = [p for p in pods if condition(p, "Ready").get("status") == "True"]
    groups = [pod["metadata"]["labels"][f"{_PREFIX}/group-index"] for pod in serving]
    whole = sum(groups.count(group) == size for group in set(groups))
    wanted = found["spec"]["replicas"]
    counted = {"replicas": wanted, "updatedReplicas": wanted, "readyReplicas": whole}
    body = json.dumps({"status": counted})
    namespace.run(
        "patch", "leaderworkerset", name, "--subresource=status", "--type=merge", f"--patch={body}"
    )
    return whole == wanted


def _service(found: dict[str, Any]) -> dict[str, Any]:
    name = found["metadata"]["name"]
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {f"{_PREFIX}/name": name},
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _pods(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    template = found["spec"]["leaderWorkerTemplate"]
    for group in range(found["spec"]["replicas"]):
        yield _pod(found, template["leaderTemplate"], group, 0)
        for place in range(1, template["size"]):
            yield _pod(found, template["workerTemplate"], group, place)


def _pod(found: dict[str, Any], template: dict[str, Any], group: int, place: int) -> dict[str, Any]:
    name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
    leader = f"{name}-{group}"
    labels = {"name": name, "group-index": str(group), "worker-index": str(place)}
    variables = {
        "LWS_LEADER_ADDRESS": f"{leader}.{name}.{namespace}",
        "LWS_GROUP_SIZE": str(found["spec"]["leaderWorkerTemplate"]["size"]),
        "LWS_WORKER_INDEX": str(place),
    }
    given = [{"name": key, "value": value} for key, value in variables.items()]
    own = f"{leader}-{place}" if place else leader
    containers = [
        {**container, "env": [*given, *container.get("env", [])]}
        for container in template["spec"]["containers"]
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": own,
            "annotations": template["metadata"].get("annotations", {}),
            "labels": {
                **template["metadata"]["labels"],
                **{f"{_PREFIX}/{key}": value for key, value in labels.items()},
            },
        },
        "spec": {**template["spec"], "containers": containers, "hostname": own, "subdomain": name},
    }
